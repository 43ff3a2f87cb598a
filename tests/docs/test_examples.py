"""The files of docs/examples as they stand: workflows tried as shell, cron's line, systemd's command, a Dockerfile."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
import yaml

from newsletter.cli.app import build_app
from tests.cli.test_send import EVERYBODY, Relay, relay
from tests.docs.test_blocks import CONFIG
from tests.postgres import PostgresServer
from tests.test_weight import NEVER_USED

__all__ = ["relay"]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
PROGRAMS = Path(sys.executable).parent
POST = """\
---
title: Hello
date: 2026-05-04
---
The first line of a letter, with words enough to be read by somebody.
"""


@pytest.fixture
def repository(tmp_path: Path, relay: Relay) -> Path:
    """A newsletter in a repository, with a branch that adds a post with an error."""
    folder = tmp_path / "newsletter"
    (folder / "posts").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(CONFIG.format(relay=relay.url))
    (folder / "posts/2026-05-04-hello.md").write_text(POST)
    (folder / "subscribers.csv").write_text("email\n" + "\n".join(EVERYBODY) + "\n")
    (folder / ".gitignore").write_text("newsletter.db*\n.newsletter/\n")
    run("git init --quiet --initial-branch main && git add . && git commit --quiet -m first", folder)
    run(
        f"git clone --quiet --bare . {tmp_path / 'origin.git'} && git remote add origin ../origin.git && git fetch -q",
        folder,
    )
    run("git checkout --quiet -b change", folder)
    picture = '<img src="https://example.org/oak.png">'
    (folder / "posts/2026-05-05-oaks.md").write_text(
        POST.replace("Hello", "Oaks").replace("The first", f"{picture}\n\nAnother")
    )
    run("git add . && git commit --quiet -m second", folder)
    return folder


def run(script: str, cwd: Path, *, code: int = 0, **environment: str) -> str:
    """Run a script as a CI service would; what it prints."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    who = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=cwd, env={**own, **who, "PATH": path, **environment}, capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=250,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_pull_request_gets_findings_and_pictures_on_github(repository: Path) -> None:
    workflow = yaml.safe_load((EXAMPLES / "ci/github.yml").read_text())
    assert workflow["jobs"]["send"]["permissions"] == {"contents": "write"}
    steps = {step["name"]: step["run"] for step in workflow["jobs"]["check"]["steps"] if "name" in step}
    told = run(steps["check"], repository, code=123, GITHUB_BASE_REF="main")  # xargs: the command ended with 1
    assert told.startswith("::error file=posts/2026-05-05-oaks.md,line=5,title=image-alt::")
    if shutil.which("chromium"):
        run(steps["pictures"], repository)
        assert len(list((repository / "pictures/2026-05-05-oaks").glob("*.png"))) > 2


def test_what_is_merged_goes_out_once_where_the_state_is_in_postgresql(
    repository: Path, relay: Relay, postgres: PostgresServer
) -> None:
    files = [EXAMPLES / place / "github.yml" for place in ("postgresql", "ci")]
    workflow, with_a_branch = (yaml.safe_load(file.read_text()) for file in files)
    check, send = workflow["jobs"]["check"], workflow["jobs"]["send"]
    assert check.pop("env") == {"NEWSLETTER_STATE__URL": "sqlite:///none.db"}  # a stranger's pull request has no secret
    assert check == with_a_branch["jobs"]["check"]
    assert workflow["concurrency"] == with_a_branch["concurrency"]
    assert workflow[True]["workflow_dispatch"]["inputs"]["first"]["default"] is False  # YAML takes "on" for a truth
    [step] = [step for step in send["steps"] if step.get("name") == "send"]
    words = step["run"].removeprefix("newsletter ").replace("$FIRST", "--first")
    parsed(words.split())
    parsed(words.replace("--when-live", "--detach").split())
    assert step["env"].pop("FIRST") == "${{ inputs.first && '--first' || '' }}"
    assert all(value.startswith("${{ secrets.") for value in step["env"].values())
    run("git checkout --quiet main", repository)
    job = {"CI": "true", "NEWSLETTER_STATE__URL": postgres.database(), "NEWSLETTER_SECRET": "x" * 40, "FIRST": ""}
    script = step["run"].replace("--when-live", "--since 2026-05-01")
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in job.items())
    run(exports + script, repository, code=2)
    assert relay.messages == []
    run(f"{exports}FIRST=--first\n{script}", repository)
    run(exports + script, repository)
    assert relay.recipients == EVERYBODY


def test_a_merge_request_gets_a_report_on_gitlab(repository: Path) -> None:
    workflow = yaml.safe_load((EXAMPLES / "ci/gitlab.yml").read_text())
    script = [line for line in workflow["check"]["script"] if not line.startswith("pip ")]
    run("\n".join(script), repository, code=123, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    report = ElementTree.parse(repository / "findings.xml").getroot()
    assert [suite.get("name") for suite in report] == ["posts/2026-05-05-oaks.md"]
    assert workflow["send"]["resource_group"] == "newsletter"


def test_what_cron_and_systemd_run_sends_what_is_new_and_says_nothing(repository: Path, relay: Relay) -> None:
    home = repository.parent
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/newsletter").symlink_to(PROGRAMS / "newsletter")
    run("git checkout --quiet main && git branch --quiet --set-upstream-to origin/main", repository)
    line = next(one for one in (EXAMPLES / "host/crontab").read_text().splitlines() if one.startswith("0 7 "))
    command = line.split(maxsplit=5)[5]
    assert run(command, home, HOME=str(home)) == ""
    assert relay.messages == []  # older than the first run
    assert run(f"{command} --since 2026-05-01", home, HOME=str(home)) == ""
    assert relay.recipients == EVERYBODY
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(EXAMPLES / "host/newsletter.service")
    service = {key: value.replace("%h", str(home)) for key, value in unit["Service"].items()}
    assert run(f"{service['ExecStart']} --since 2026-05-01", Path(service["WorkingDirectory"])) == ""
    assert relay.recipients == EVERYBODY
    if verifier := shutil.which("systemd-analyze"):
        told = subprocess.run(
            [verifier, "--user", "verify", EXAMPLES / "host/newsletter.timer"], capture_output=True, text=True
        )
        assert "newsletter.timer:" not in told.stderr


def test_the_dockerfile_says_what_it_needs() -> None:
    text = (EXAMPLES / "host/Dockerfile").read_text()
    words = re.findall(r"^([A-Z]+) ", text, re.MULTILINE)
    assert words == ["FROM", "ARG", "RUN", "USER", "WORKDIR", "STOPSIGNAL", "ENTRYPOINT"]
    assert 'ENTRYPOINT ["newsletter"]' in text
    steps = re.search(r"^RUN (.*)", text, re.MULTILINE)
    assert steps
    names = [step.split() for step in steps[1].split(" && ") if step.startswith("pip uninstall --yes ")]
    assert [set(step[3:]) for step in names] == [NEVER_USED]
    subprocess.run(["sh", "-n", "-c", steps[1]], check=True)
    assert f"pip uninstall --yes {' '.join(names[0][3:])}" in (ROOT / "docs/how-to/install.md").read_text()


def parsed(words: list[str]) -> None:
    """Let our command line read a command, and start nothing."""
    command = typer.main.get_command(build_app(words[0])).commands[words[0]]  # type: ignore[attr-defined]
    command.make_context(words[0], words[1:])


@pytest.mark.parametrize("place", ["host", "postgresql"])
def test_every_service_of_a_compose_file_is_a_command_of_ours_that_writes_below_its_folder_alone(place: str) -> None:
    composed = yaml.safe_load((EXAMPLES / place / "compose.yml").read_text())
    services = {name: one for name, one in composed["services"].items() if "image" not in one}
    assert {"serve", "send", "inbox"} <= set(services)
    for service in services.values():
        parsed(service["command"])
        assert service["read_only"] is True
        assert service["volumes"] == ["./:/letter"]
        assert int(service["stop_grace_period"].rstrip("s")) > 30
        assert {*service["secrets"]} == {*composed["secrets"]}
        healthcheck = service.get("healthcheck", {}).get("test", ["CMD", "python", "-c", "pass"])
        compile(healthcheck[3], "healthcheck", "exec")
    assert services["serve"]["ports"] == ["127.0.0.1:8000:8000"]  # the world comes by the proxy


@pytest.mark.parametrize("unit", ["host/newsletter-serve.service", "postgresql/newsletter-worker@.service"])
def test_a_unit_runs_a_command_of_ours_and_systemd_takes_it(tmp_path: Path, unit: str) -> None:
    text = (EXAMPLES / unit).read_text()
    program = "/srv/newsletter/.venv/bin/newsletter"
    [command] = re.findall(rf"^ExecStart={program} (.*)$", text, re.MULTILINE)
    parsed(command.split())
    if verifier := shutil.which("systemd-analyze"):
        here = tmp_path / Path(unit).name.replace("@", "@1")
        here.write_text(text.replace(program, str(PROGRAMS / "newsletter")))
        told = subprocess.run([verifier, "verify", here], capture_output=True, text=True)
        assert here.stem not in told.stderr
