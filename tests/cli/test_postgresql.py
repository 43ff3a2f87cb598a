"""The commands with `[state] url` in PostgreSQL: the same words, the same codes."""

import json
import os
import signal
import threading
import urllib.request
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
    assert ", 1 issue, 1 lease, " in out
    assert "3 deliveries" in out
    monkeypatch.setenv("NEWSLETTER_STATE__URL", "sqlite:///moved.db")
    assert json.loads(call("status", "hello", "--json")[1])["sent"] == len(EVERYBODY)
    code, _, err = call("state", "copy", "sqlite:///moved.db", place)
    assert (code, "is not empty" in err) == (2, True)
    code, _, err = call("state", "copy", "sqlite:///moved.db", "postgresql://u:secret@127.0.0.1/x")
    assert (code, "PGPASSWORD" in err, "secret" in err) == (2, True, False)
    code, _, err = call("state", "copy", "sqlite:///moved.db", "postgresql://127.0.0.1:1/x")
    assert (code, "away or busy" in err) == (75, True)


def test_what_was_queued_goes_out_by_a_worker_that_is_watched_and_ends_at_sigterm(
    folder: Path, call: Call, call_here: Call, relay: Relay, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = call_here("worker", "--smtp", relay.url)
    assert (code, "worker needs a state that hosts can share" in err) == (2, True)
    code, _, err = call_here("send", "hello", "--detach", "--yes")
    assert (code, "--detach needs a state that hosts can share" in err) == (2, True)
    monkeypatch.setenv("NEWSLETTER_STATE__URL", postgres.database())
    code, out, err = call("send", "hello", "--detach", "--yes", "--json", "--smtp", "smtp://127.0.0.1:9")
    assert (code, json.loads(out)["queued"]) == (0, 3), err
    assert "queued" in call("status")[1]
    done, told, seen = threading.Event(), list[str](), dict[str, str]()

    def tell(what: str) -> None:
        told.append(what)
        if what == "hello: 3 sent":
            done.set()

    def watch() -> None:
        if done.wait(60):
            base = next(what for what in told if what.startswith("metrics: ")).removeprefix("metrics: ")
            for page in ("metrics", "health"):
                with urllib.request.urlopen(base.replace("metrics", page), timeout=20) as answer:
                    seen[page] = answer.read().decode()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("newsletter.cli.worker.note", tell)
    watching = threading.Thread(target=watch)
    watching.start()
    code, out, err = call_here("worker", "--smtp", relay.url, "--port", "0")
    watching.join()
    assert (code, "waits for what is queued" in out) == (0, True), err
    assert relay.recipients == EVERYBODY
    assert seen["health"] == "ok\n"
    assert 'newsletter_worker_recipients{state="sent"} 3.0' in seen["metrics"]
    assert "done" in call("status")[1]
    assert call("pause", "oaks")[2].startswith("newsletter: no issue 'oaks'")
    later = ("--again", "later", "--at", "2099-01-01 09:00", "--detach", "--yes", "--smtp", relay.url)
    assert call("send", "hello", *later)[0] == 0
    assert call("pause", "later")[0] == 0
    assert "'later' goes on: 0 of 3 sent; it begins Thu 1 January 2099, 09:00 (" in call("resume", "later")[1]
