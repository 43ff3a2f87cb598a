"""People on their way into the list: a scratch database of their own."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from newsletter.audience.imports.people import Block, PeopleColumns
from newsletter.audience.imports.staging import Staging


def people(first: int, *names: str) -> PeopleColumns:
    """Some with addresses that follow each other, on as many lines."""
    lines = range(first, first + len(names))
    addresses = [f"r{line}@example.org" for line in lines]
    return lines, addresses, addresses, names, ["{}"] * len(names)


def compared(file: Sequence[PeopleColumns], there: Sequence[PeopleColumns]) -> dict[str, int]:
    """What the file's people come to beside those of a list, but for nothing."""
    with Staging() as staging:
        staging.load(Block(block) for block in file)
        staging.compare(there)
        return {fate: count for fate, count in staging.counts().items() if count}


def test_a_list_that_goes_on_as_the_file_does_is_the_same_up_to_the_first_who_differs() -> None:
    file = [people(2, "Ada", "Bea"), people(4, "Cleo", "Dora"), people(6, "Eve", "Flo")]
    assert compared(file, file) == {"same": 6}
    assert compared(file, [file[0], people(4, "Cleo", "Dana"), file[2]]) == {"same": 5, "update": 1}
    assert compared(file, file[:2]) == {"same": 4, "subscriber": 2}
    assert compared(file, file[1:]) == {"same": 4, "subscriber": 2}
    assert compared(file[:1], [people(2, "Ad", "aBea")]) == {"update": 2}


def test_what_a_killed_import_has_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, fresh = tmp_path / "newsletter-import-left", tmp_path / "newsletter-import-fresh"
    (left / "deep").mkdir(parents=True)
    fresh.mkdir()
    with Staging() as running:
        for folder in (left, running.path.parent):
            os.utime(folder, (1, 1))
        with Staging():
            pass
        assert (left.exists(), fresh.exists(), running.path.exists()) == (False, True, True)
    assert list(tmp_path.iterdir()) == [fresh]
