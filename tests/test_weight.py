"""What installing and starting costs: dependencies, their size, and how long the help takes."""

import importlib.metadata as metadata
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from newsletter.delivery.ledger.posts import remember
from newsletter.state.sqlite import SqliteDatabase

MOST_PACKAGES, MOST_MEGABYTES, MOST_HELP_SECONDS = 70, 200, 0.35
NEVER_USED = {"requests", "urllib3", "charset-normalizer"}
"""Installed by premailer, and not needed: docs/how-to/install.md says how to leave them out."""


def needed(name: str = "newsletter-press") -> set[str]:
    """The packages that installing `name` brings here, without its extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if one in found:
            continue
        try:
            requires = metadata.requires(one) or []
        except metadata.PackageNotFoundError:  # for another system or Python
            continue
        found.add(one)
        for line in requires:
            from packaging.requirements import Requirement

            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
                for extra in requirement.extras:
                    waiting += [
                        inner.name
                        for inner in map(Requirement, metadata.requires(requirement.name) or [])
                        if inner.marker is not None and inner.marker.evaluate({"extra": extra})
                        and not inner.marker.evaluate({"extra": ""})
                    ]  # fmt: skip
    return found - {"newsletter-press"}


def size(name: str) -> int:
    files = metadata.files(name) or []
    return sum(place.stat().st_size for file in files if (place := Path(str(file.locate()))).is_file())


def test_no_more_is_installed_than_is_said() -> None:
    packages = needed()
    assert 20 < len(packages) <= MOST_PACKAGES, sorted(packages)
    megabytes = sum(map(size, packages)) / 1e6
    assert 20 < megabytes <= MOST_MEGABYTES


def test_the_help_starts_at_once_and_without_the_rest() -> None:
    asked = [
        sys.executable,
        "-X",
        "importtime",
        "-c",
        "import sys; sys.argv = ['newsletter', '--help']; from newsletter.cli import main; main()",
    ]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
    assert not re.search(
        r"\| +(typer|rich|pydantic|sqlalchemy|lxml|premailer|psycopg|procrastinate)$", told, re.MULTILINE
    )
    best = 10.0
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "newsletter", "--help"], capture_output=True, check=True)
        best = min(best, time.perf_counter() - began)
        if best < MOST_HELP_SECONDS:
            break
    assert best < MOST_HELP_SECONDS * 4  # on a busy machine


def test_a_send_of_what_is_new_loads_little_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "ada@example.org"\n')
    (tmp_path / "subscribers.csv").write_text("email\nada@example.org\n")
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "2026-05-04-hello.md").write_text("---\ntitle: Hello\n---\nHello.\n")
    state = SqliteDatabase(tmp_path / "newsletter.db")
    remember(state, "new", 2e9)
    asked = [sys.executable, "-X", "importtime", "-m", "newsletter", "send", "--new"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "CI": ""})
    assert done.stdout == "nothing new to send\n"
    heavy = r"\| +(rich|pydantic_settings|sqlalchemy|asyncio|jinja2|lxml|markdown|premailer|aiosmtplib)$"
    assert not re.search(heavy, done.stderr, re.MULTILINE)


def test_mail_is_made_without_what_is_never_used_and_a_state_in_a_file_without_postgresql_s() -> None:
    config = str(Path(__file__).parents[1] / "newsletter.toml")
    code = f"""
import sys
from importlib.machinery import PathFinder
class Without:
    find_distributions = staticmethod(PathFinder.find_distributions)
    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0].replace("_", "-") in {NEVER_USED | {"psycopg", "procrastinate"}!r}
        return None if absent else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [Without() if finder is PathFinder else finder for finder in sys.meta_path]
from newsletter.cli.app import run
import newsletter.cli.send_delivery, newsletter.delivery.engine
sys.exit(run(["--config", {config!r}, "render", "hello-from-the-long-view"]) or run(["--config", {config!r}, "status"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Hello from The Long View" in done.stdout
