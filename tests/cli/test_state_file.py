"""A state file of another release, or a damaged one, as a user meets it: one line, or the work goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.state import open_sqlite
from tests.cli.conftest import Run
from tests.state.test_open import damage, write_a_newer_one, write_another_program_s

FIRST_RELEASE = Path(__file__).parents[1] / "state" / "first_release.db"


@pytest.mark.parametrize("spoil", [damage, write_a_newer_one, write_another_program_s], ids=lambda one: one.__name__)
@pytest.mark.parametrize("command", [("send", "hello", "--dry-run"), ("send", "hello", "--yes"), ("status",)])
def test_a_state_file_that_can_t_be_read_is_one_line(
    folder: Path, run: Run, spoil: Callable[[Path], object], command: tuple[str, ...]
) -> None:
    spoil(folder / "newsletter.db")
    before = (folder / "newsletter.db").read_bytes()
    done = run(*command)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "newsletter.db: " in line
    assert "Traceback" not in done.stderr
    assert (folder / "newsletter.db").read_bytes() == before


def test_a_dry_run_over_an_older_state_file_honours_its_suppressions_and_leaves_it_as_it_is(
    folder: Path, run: Run
) -> None:
    live = folder / "newsletter.db"
    shutil.copy(FIRST_RELEASE, live)
    before = live.read_bytes()
    with (folder / "subscribers.csv").open("a") as file:
        file.write("reader1@example.org,,\n")
    done = run("send", "hello", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Suppressed   1" in done.stdout
    assert live.read_bytes() == before


def test_status_shows_what_an_older_release_has_sent(folder: Path, run: Run) -> None:
    shutil.copy(FIRST_RELEASE, folder / "newsletter.db")
    done = run("status", "hello", "--json")
    assert done.returncode == 0, done.stderr
    assert '"sent": 2' in done.stdout
    open_sqlite(folder / "newsletter.db").dispose()
