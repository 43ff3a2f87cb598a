"""`status --posts` and `--watch`, and issues named by their posts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from newsletter.delivery.ledger.sqlite import SqliteLedger
from tests.cli.conftest import POST, Call
from tests.cli.test_send import Relay, relay
from tests.delivery.sending import an_issue, execute, people, plan

__all__ = ["relay"]


def test_every_post_says_whether_it_is_due_was_sent_or_has_changed(folder: Path, call: Call, relay: Relay) -> None:
    today = datetime.now(UTC)
    words = POST.replace("2026-05-04 09:00:00 +0100", "{:%Y-%m-%d}").replace("first line", "{} line")
    for name, day in (("today", today), ("next-year", today + timedelta(days=365))):
        (folder / "posts" / f"{name}.md").write_text(words.format(day, name))
    (folder / "posts" / "draft.md").write_text(words.format(today, "draft").replace("title:", "draft: true\ntitle:"))
    assert call("send", "hello", "--yes", "--smtp", relay.url)[0] == 0
    post = folder / "posts" / "2026-05-04-hello.md"
    _, out, _ = call("status", "--posts", "--json")
    rows = {row["post"]: row for row in json.loads(out)}
    hello = rows["posts/2026-05-04-hello.md"]
    assert (hello["issue"], hello["sent"], hello["due"], hello["changed"]) == ("hello", 3, False, False)
    told = {Path(name).stem: (row["due"], row["draft"], row["issue"], row["changed"]) for name, row in rows.items()}
    assert told["today"] == (True, False, None, None)
    assert told["next-year"] == (False, False, None, None)
    assert told["draft"] == (False, True, None, None)
    post.write_text(post.read_text().replace("first line", "mended line"))
    _, out, _ = call("status", "--posts")
    assert "sent, changed since" in out


def test_an_issue_is_named_by_its_post_too(folder: Path, call: Call, relay: Relay) -> None:
    (folder / "posts" / "trip").mkdir()
    (folder / "posts" / "trip" / "index.md").write_text(POST.replace("first line", "only line"))
    for post in ("hello", "trip"):
        assert call("send", post, "--yes", "--smtp", relay.url)[0] == 0
    for typed in ("hello", "posts/2026-05-04-hello.md", "./posts/2026-05-04-hello.md", "2026-05-04-hello"):
        code, out, err = call("status", typed, "--json")
        assert (code, json.loads(out)["issue"] if out else err) == (0, "hello")
    for typed in ("trip", "posts/trip", "posts/trip/index.md"):
        code, out, err = call("deliveries", typed, "--format", "json")
        assert (code, len(json.loads(out)) if out else err) == (0, 3)
    code, _, err = call("status", "posts/nothing.md")
    assert (code, err) == (2, "newsletter: no issue 'posts/nothing.md'; known: trip, hello\n")


def test_watching_ends_by_itself_and_without_a_name_it_is_the_newest_that_is_not_done(
    folder: Path, call_here: Call
) -> None:
    assert call_here("status", "--watch") == (
        2, "", "newsletter: no issue has been sent yet, there is nothing to watch; `newsletter send POST` sends one\n",
    )  # fmt: skip
    for issue in ("first", "second"):
        with SqliteLedger(folder / "newsletter.db") as ledger:
            plan(ledger, people(2), an_issue(f"The {issue} of them", issue))
    execute(folder / "newsletter.db", "UPDATE deliveries SET state = 'sent', relay = 'relay.example.org:587'")
    code, out, _ = call_here("status", "--watch")
    assert (code, out[8:]) == (0, "  done: 2 of 2 sent\n")
    execute(folder / "newsletter.db", "UPDATE issues SET state = 'cancelled' WHERE id = 'first'")
    execute(folder / "newsletter.db", "UPDATE deliveries SET state = 'skipped' WHERE issue = 1")
    code, out, _ = call_here("status", "first", "--watch", "--json")
    assert (code, out.count("\n"), json.loads(out)["state"]) == (0, 1, "cancelled")
