"""Somebody is erased from the command line, and found nowhere any more."""

import json
import sqlite3
from pathlib import Path

from tests.cli.conftest import Call


def test_a_person_is_erased_and_found_in_no_file(listed: Path, call: Call) -> None:
    call("subscribers", "add", "zoe.quixote@example.org", "--name", "Zoe Quixote", "--tag", "quixotetag")
    call("suppress", "add", "zoe.quixote@example.org", "--reason", "complaint")
    known = json.loads(call("subscribers", "export", "--person", "zoe.quixote@example.org")[1])
    assert known["subscriber"]["name"] == "Zoe Quixote"
    assert known["suppression"]["reason"] == "complaint"
    code, out, err = call("subscribers", "remove", "zoe.quixote@example.org", "--erase", "--yes")
    assert (code, out.split(";")[0]) == (
        0,
        "zoe.quixote@example.org: erased 1 event, 1 suppression, 1 row of the list",
    ), err
    for path in listed.rglob("*"):
        if path.is_file():
            assert b"quixote" not in path.read_bytes().lower(), path
    assert [row["email"] for row in json.loads(call("suppress", "list", "--json")[1])] == [None]
    assert call("subscribers", "export", "--person", "zoe.quixote@example.org")[0] == 2


def test_an_erased_persons_deliveries_stay_as_numbers(folder: Path, call: Call) -> None:
    call("subscribers", "list")
    db = sqlite3.connect(folder / "newsletter.db")
    db.execute(
        "INSERT INTO issues (number, id, post, subject, created, frozen, hash, list_hash) "
        "VALUES (1, 'hello', 'p', 's', 0, '{}', 'h', 'l')"
    )
    db.execute(
        "INSERT INTO deliveries (issue, key, email, name, columns, state) VALUES "
        "(1, 'ada@example.org', 'ada@example.org', 'Ada', '{\"city\": \"Lyon\"}', 'sent'), "
        "(1, 'x@example.org', 'x@example.org', '', '{}', 'pending')"
    )
    db.commit()
    told = call("subscribers", "remove", "ada@example.org", "x@example.org", "--erase", "--yes")[1]
    assert "x@example.org: erased 1 delivery; " in told
    rows = db.execute(
        "SELECT d.email, d.name, d.columns, d.state, s.reason FROM deliveries d JOIN suppressions s USING (key)"
    )
    assert rows.fetchall() == [("", "", "{}", "sent", "manual"), ("", "", "{}", "skipped", "manual")]


def test_who_was_erased_comes_back_by_no_import_and_no_hand(listed: Path, call: Call) -> None:
    call("subscribers", "remove", "ada@example.org", "--erase", "--yes")
    (listed / "more.csv").write_text("email\nAda@example.org\nzoe@example.org\n")
    said = json.loads(call("subscribers", "import", "more.csv", "--yes", "--json")[1])
    assert (said["added"], said["suppressed"]) == (1, 1)
    (listed / "gone.csv").write_text("email,status\nADA@example.org,unsubscribed\nyan@example.org,bounced\n")
    said = json.loads(call("subscribers", "import", "gone.csv", "--yes", "--json")[1])
    assert (said["suppressed"], said["rejected"]) == (2, [])
    (listed / "gone.csv").write_text("ada@example.org\n")
    assert "1 were already" in call("suppress", "import", "gone.csv")[1]
    assert "was suppressed already" in call("suppress", "add", "ada@example.org")[1]
    shown = [row["email"] for row in json.loads(call("suppress", "list", "--json")[1])]
    assert sorted(map(str, shown)) == ["None", "yan@example.org"]
    with sqlite3.connect(listed / "newsletter.db") as db:
        assert "ada" not in "".join(db.iterdump()).lower().replace("metadata", "")
    assert call("subscribers", "add", "ada@example.org")[0] == 2
    assert call("suppress", "remove", "ada@example.org")[0] == 0
    assert call("subscribers", "add", "ada@example.org")[0] == 0


def test_an_erased_person_is_found_in_no_rehearsal_either(folder: Path, call: Call) -> None:
    call("subscribers", "add", "zoe.quixote@example.org", "--name", "Zoe Quixote")
    code, _, err = call("send", "hello", "--dry-run", "--yes", "--json")
    assert code == 0, err
    assert any(
        b"quixote" in path.read_bytes().lower() for path in (folder / ".newsletter").rglob("*") if path.is_file()
    )
    code, out, err = call("subscribers", "remove", "zoe.quixote@example.org", "--erase", "--yes")
    assert (code, "1 rehearsal," in out or "1 rehearsal;" in out) == (0, True), err
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"quixote" not in path.read_bytes().lower(), path
