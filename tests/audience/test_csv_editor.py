"""A list is edited whole or not at all, and nothing is touched but what changes."""

import multiprocessing
import os
from pathlib import Path

import pytest

from newsletter.audience.csv.editor import KEEP, Fields, cells_of, edit_csv, locked
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

AWKWARD = (
    b'\xef\xbb\xbf"Email";"Name";Note;"Odd one"\r\n'
    b'ada@example.org;"Moreau; ""Ada""";;x\r\n'
    b"\r\n"
    b'no address;"B";;\r\n'
    b'Grace@Example.NET; Grace ;"two\r\nlines";"y"\r\n'
    b"linus@example.com;;;z;;"
)


def listed(folder: Path, data: bytes = AWKWARD) -> Path:
    path = folder / "subscribers.csv"
    path.write_bytes(data)
    return path


def renamed(key: str, fields: Fields) -> Fields | None:
    return {**fields, "name": "Grace O."} if key == "grace@example.net" else KEEP


def test_a_row_that_changes_keeps_its_other_cells_and_all_other_rows_their_bytes(tmp_path: Path) -> None:
    path = listed(tmp_path)
    assert edit_csv(path, renamed)
    assert path.read_bytes() == AWKWARD.replace(b"; Grace ;", b";Grace O.;")


def test_a_new_row_is_written_as_the_others_are(tmp_path: Path) -> None:
    path = listed(tmp_path)
    edit_csv(path, None, cells_of([Subscriber("zoe@example.org", "A; B", {"odd_one": 'say "x"'})]))
    assert path.read_bytes() == AWKWARD + b'\r\nzoe@example.org;"A; B";;"say ""x"""\r\n'


def test_a_new_column_goes_to_the_end_of_every_row(tmp_path: Path) -> None:
    path = listed(tmp_path, b"email,name\nada@example.org,Ada\n\ngrace@example.net,Grace,,\n")
    edit_csv(path, lambda key, fields: {**fields, "tags": "a,b"} if key.startswith("ada") else KEEP, columns=["tags"])
    assert path.read_bytes() == b'email,name,tags\nada@example.org,Ada,"a,b"\n\ngrace@example.net,Grace,\n'


def test_a_row_can_be_deleted_whatever_else_is_wrong_with_it(tmp_path: Path) -> None:
    path = listed(tmp_path)
    assert edit_csv(path, lambda key, fields: None if key in ("no address", "ada@example.org") else KEEP)
    assert b"Moreau" not in path.read_bytes()
    assert b"no address" not in path.read_bytes()
    assert b"Grace@Example.NET" in path.read_bytes()


def test_a_list_that_is_all_in_quotes_stays_so(tmp_path: Path) -> None:
    path = listed(tmp_path, b'"email","name"\n"ada@example.org","Ada"\n')
    edit_csv(path, None, cells_of([Subscriber("zoe@example.org", "Zoe")]))
    assert path.read_bytes().endswith(b'"zoe@example.org","Zoe"\n')


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    path = listed(tmp_path)
    before = path.stat()
    assert not edit_csv(path, lambda key, fields: dict(fields))
    assert path.stat() == before
    assert os.listdir(tmp_path) == ["subscribers.csv"]


def test_the_files_mode_and_a_link_to_it_are_kept(tmp_path: Path) -> None:
    path = listed(tmp_path)
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    edit_csv(link, None, cells_of([Subscriber("zoe@example.org")]))
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert b"zoe@example.org" in path.read_bytes()


def test_a_change_by_another_hand_meanwhile_is_never_overwritten(tmp_path: Path) -> None:
    path = listed(tmp_path)

    def meddling(key: str, fields: Fields) -> Fields | None:
        path.write_bytes(b"email\nother@example.org\n")
        return None

    with pytest.raises(NewsletterError, match="was changed while it was edited"):
        edit_csv(path, meddling)
    assert path.read_bytes() == b"email\nother@example.org\n"


def test_a_list_that_cannot_be_read_for_sure_is_not_edited(tmp_path: Path) -> None:
    path = listed(tmp_path, b'email,name\n"ada@example.org,Ada\n')
    with pytest.raises(NewsletterError, match="never closed"):
        edit_csv(path, None, cells_of([Subscriber("zoe@example.org")]))
    assert path.read_bytes() == b'email,name\n"ada@example.org,Ada\n'


def _add(path: Path, number: int) -> None:
    for each in range(10):
        with locked(path.with_suffix(".lock")):
            edit_csv(path, None, cells_of([Subscriber(f"p{number}x{each}@example.org")]))


def test_editors_that_come_at_once_lose_nothing(tmp_path: Path) -> None:
    path = listed(tmp_path, b"email,name\n")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(_add, [(path, number) for number in range(4)])
    rows = path.read_text().splitlines()[1:]
    assert len(rows) == len(set(rows)) == 40


def test_what_a_killed_editor_left_is_gone_after_the_next(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.csv"
    path.write_text("email\nada@example.org\n")
    (tmp_path / ".subscribers.csv-killed").write_text("email\nada@example.org\nzoe@exam")
    edit_csv(path, lambda *_: None)
    assert [file.name for file in tmp_path.iterdir()] == ["subscribers.csv"]
