"""The commands with `[state] url` in PostgreSQL: the same words, the same codes."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.test_send import EVERYBODY, Relay, relay
from tests.postgres import PostgresServer

__all__ = ["relay"]


def test_a_newsletter_whose_state_is_in_postgresql_begins_goes_on_forgets_and_moves_back(
    folder: Path, call: Call, relay: Relay, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres.database()
    monkeypatch.setenv("NEWSLETTER_STATE__URL", place)
    assert call("status")[1].startswith("no issue has been sent yet")
    assert call("send", "hello", "--dry-run")[0] == 0
    assert not postgres.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", place.rpartition("/")[2])
    assert call("send", "hello", "--yes", "--limit", "1", "--smtp", relay.url)[0] == 3
    code, out, err = call("send", "hello", "--yes", "--json", "--smtp", relay.url)
    assert (code, json.loads(out)["already_sent"]) == (0, 1), err
    assert relay.recipients == EVERYBODY
    assert json.loads(call("status", "hello", "--json")[1])["sent"] == len(EVERYBODY)
    [one] = [row for row in json.loads(call("deliveries", "hello", "--format", "json")[1]) if "ada" in row["email"]]
    assert (one["state"], one["attempts"]) == ("sent", 1)
    assert call("suppress", "add", "ada@example.org")[0] == 0
    assert call("archive", "build", "--out", "public")[0] == 0
    assert "which knows who was mailed, answers" in call("doctor")[1]
    code, _, err = call("state", "seal")
    assert (code, "pg_dump" in err) == (2, True)
    assert call("subscribers", "remove", "--erase", "--yes", "ada@example.org")[0] == 0
    monkeypatch.setenv("NEWSLETTER_SUBSCRIBERS__SOURCE", "database")
    for text, counts in (("", (1, 0, 0)), ("", (0, 0, 1)), ("yan@example.org,,\nzoe@example.org,Z,\n", (1, 1, 0))):
        (folder / "more.csv").write_text(
            "email,name,city\n" + (text or "zoe@example.org,Zoe,Lyon\nada@example.org,A,\n")
        )
        said = json.loads(call("subscribers", "import", "more.csv", "--yes", "--json")[1])
        assert tuple(said[name] for name in ("added", "updated", "unchanged")) == counts
    assert "Z,Lyon" in call("subscribers", "export")[1]
    monkeypatch.delenv("NEWSLETTER_SUBSCRIBERS__SOURCE")
    assert "ada@example.org" not in json.dumps(call("suppress", "list", "--json")[1])
    code, out, err = call("state", "copy", place, "sqlite:///moved.db")
    assert code == 0, err
    assert "3 deliveries" in out
    monkeypatch.setenv("NEWSLETTER_STATE__URL", "sqlite:///moved.db")
    assert json.loads(call("status", "hello", "--json")[1])["sent"] == len(EVERYBODY)
    code, _, err = call("state", "copy", "sqlite:///moved.db", place)
    assert (code, "is not empty" in err) == (2, True)
    code, _, err = call("state", "copy", "sqlite:///moved.db", "postgresql://u:secret@127.0.0.1/x")
    assert (code, "PGPASSWORD" in err, "secret" in err) == (2, True, False)
    code, _, err = call("state", "copy", "sqlite:///moved.db", "postgresql://127.0.0.1:1/x")
    assert (code, "away or busy" in err) == (75, True)
