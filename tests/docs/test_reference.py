"""The reference pages name all that the code has: keys, names, codes, variables; and every page is reachable."""

import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import newsletter
from newsletter import errors
from newsletter.audience.erasure import Known
from newsletter.checks.finding import Finding
from newsletter.cli import console
from newsletter.cli.status import FIELDS
from newsletter.compose.templating import dynamic
from newsletter.config.settings import Config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.site.post import KEYS
from newsletter.state.schema import STATES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = Path(newsletter.__file__).parent
HOME = "https://github.com/newsletter-press/newsletter/blob/main/"
IMAGES = "https://raw.githubusercontent.com/newsletter-press/newsletter/main/"
SECRETS = {("smtp", "password"), ("feedback", "password")}
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def settings() -> dict[str, list[str]]:
    """The keys of newsletter.toml by their tables."""
    tables = {}
    for name, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            tables[name] = list(kind.model_fields)
    return tables


def test_every_key_of_the_configuration_has_its_row() -> None:
    sections = re.split(r"\| \*\*\[(\w+)\]\*\*", page("reference/config.md"))
    documented = {
        name: set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE))
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    text = page("reference/config.md")
    missing = {
        f"[{table}] {key}"
        for table, keys in settings().items()
        for key in keys
        if key not in documented.get(table, set()) and f"NEWSLETTER_{table.upper()}__{key.upper()}" not in text
    }
    assert missing == set()
    unknown = {
        f"[{table}] {key}"
        for table, keys in documented.items()
        for key in keys
        if table in settings() and key not in settings()[table]
    }
    assert unknown == set()


def test_every_secret_of_the_environment_is_named() -> None:
    text = page("reference/config.md")
    named = {f"NEWSLETTER_{table.upper()}__{key.upper()}" for table, key in SECRETS} | {
        "NEWSLETTER_SECRET",
        "NEWSLETTER_AGE_KEY",
    }
    assert {name for name in named if name not in text} == set()


def test_every_key_of_front_matter_is_named() -> None:
    text = page("reference/front-matter.md")
    assert [key for key in KEYS if f"`{key}`" not in text and f"`{key}:" not in text] == []


def test_every_name_of_a_template_is_named() -> None:
    text = page("how-to/templates.md")
    words = set(re.findall(r"\w+", text))
    names = {"post", "site", "newsletter", "issue", "digest", *dynamic.NAMES}
    for module, function in (
        ("compose/context.py", "post_context"),
        ("compose/context.py", "body_context"),
        ("compose/context.py", "newsletter_context"),
    ):
        names |= keys_of(module, function)
    assert sorted(name for name in names if name not in words) == []


JSON: dict[str, tuple[Any, ...]] = {
    "send --json": ("cli/send_report.py:report_json", "cli/send_to.py:_as_json"),
    "status --json": ("delivery/ledger/report.py:issue_counts", "cli/status.py:_with_reasons", STATES),
    "status --watch --json": ("delivery/watch.py:watch",),
    "status --posts --json": ("cli/status_posts.py:_row",),
    "check --json": (Finding, "cli/check_formats.py:as_rows"),
    "subscribers check --json": ("cli/subscribers.py:check",),
    "subscribers list --json": ("cli/subscribers_edit.py:_say_json_list",),
    "subscribers import --json": ("cli/subscribers_import.py:_as_json",),
    "subscribers export --person": (Known,),
    "doctor --json": (Diagnosis,),
    "suppress list --json": ("cli/suppress.py:list_",),
}
"""Where the keys of a command's JSON are written down: in a function, or as a class."""


@pytest.mark.parametrize("command", JSON)
def test_every_key_of_json_is_named_where_its_command_is_and_no_other(command: str) -> None:
    keys: set[str] = set()
    for source in JSON[command]:
        if isinstance(source, str):
            keys |= keys_of(*source.split(":"))
        else:
            keys |= set(source) if isinstance(source, tuple) else {one.name for one in fields(source)}
    assert keys
    spans = [re.sub(r"\(.*?\)", "", span).split(", ") for span in re.findall("`([^`]+)`", json_rows()[command])]
    named = {key.strip() for span in spans for key in span}
    assert (keys - named, {key.strip() for key in max(spans, key=len)} - keys) == (set(), set())


def test_the_json_of_every_command_that_has_one_is_explained() -> None:
    assert {*JSON, "send --new --json", "deliveries --format json"} == set(json_rows())
    text = page("reference/commands.md") + "\n## "
    commands = re.findall(r"^## newsletter ([a-z ]+)$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    having = {name for name, about in commands if "--json" in about}
    assert having
    assert having - {re.sub(" --.*", "", name) for name in json_rows()} == {"feedback"}


def json_rows() -> dict[str, str]:
    table = page("reference/json.md").partition("## feedback")[0]
    return dict(re.findall(r"^\| `([a-z -]+)` \| (.*) \|$", table, re.MULTILINE))


def test_every_key_of_what_feedback_prints_has_its_row() -> None:
    section = page("reference/json.md").partition("## feedback --json")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == keys_of("cli/feedback.py", "_entry")


def test_every_extra_is_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"^\| `newsletter-press\[(\w+)\]`", page("how-to/install.md"), re.MULTILINE)) == {*extras} - {
        "dev"
    }


def test_a_delivery_has_its_keys_in_the_order_that_the_docs_say_so_that_new_ones_come_last() -> None:
    assert f"a list of `{', '.join(FIELDS)}` (" in page("reference/json.md")


def keys_of(module: str, function: str) -> set[str]:
    """The keys of the dictionaries that a function writes out."""
    tree = ast.parse((CODE / module).read_text(encoding="utf-8"))
    [found] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function]
    dicts = [node for node in ast.walk(found) if isinstance(node, ast.Dict)]
    return {
        key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def test_every_exit_code_is_explained() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NewsletterError)
    ]
    codes = {0, 1, console.INTERRUPTED, *(kind.exit_code for kind in kinds)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page("reference/exit-codes.md"), re.MULTILINE)} == codes


def test_the_readme_works_on_the_package_index_and_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = LINK.findall(text)
    assert [target for target in targets if not re.match(r"https://|#", target)] == []
    here = {re.sub(f"^({re.escape(HOME)}|{re.escape(IMAGES)})", "", target).partition("#")[0] for target in targets}
    own = {target for target in here if not target.startswith("https://")}
    assert {target for target in own if not (ROOT / target).exists()} == set()
    pages = {path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")} - {"docs/index.md"}
    assert pages - own == set()


def test_every_page_is_in_the_site_and_every_link_between_them_leads_somewhere(tmp_path: Path) -> None:
    build = pytest.importorskip("mkdocs.commands.build")
    config = pytest.importorskip("mkdocs.config")
    import logging

    class Warnings(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.told: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.told.append(record.getMessage())

    warnings = Warnings()
    logging.getLogger("mkdocs").addHandler(warnings)
    try:
        build.build(config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))
    finally:
        logging.getLogger("mkdocs").removeHandler(warnings)
    assert warnings.told == []
    assert (tmp_path / "search" / "search_index.js").exists()
    loaded = re.findall(
        r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', (tmp_path / "index.html").read_text()
    )
    assert loaded == []


def test_what_assistants_read_first_leads_to_pages_that_are_there() -> None:
    assert {target for target in LINK.findall(page("llms.txt")) if not (DOCS / target).exists()} == set()


def test_every_message_that_is_looked_up_is_one_of_ours() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", page("how-to/troubleshooting.md"), re.MULTILINE)
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    code = re.sub(r"[\"']\s*\n\s*f?[\"']", "", code).replace("{CONFIG_NAME}", "newsletter.toml")
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 20
    unknown = [one for one in messages if not re.search(re.escape(one).replace(re.escape("'x'"), r"\{.*?\}"), code)]
    assert unknown == []
