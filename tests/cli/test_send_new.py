"""`send --new`: weeks of posts under a clock of the tests', into a real relay."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import newsletter.checks
import newsletter.compose.pipeline  # noqa: F401 (else each composing process loads them anew)
from newsletter.cli.send import send_issue
from newsletter.cli.send_new import send_new
from newsletter.cli.send_options import Options
from newsletter.config.settings import load_config
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.smtp.relay import parse_relay
from tests.cli.conftest import Call
from tests.cli.test_send import EVERYBODY, Relay, parse
from tests.delivery.sending import an_issue, execute, people, plan

__all__ = ["relay"]
from tests.cli.test_send import relay

DAY = timedelta(days=1)
START = datetime(2026, 5, 4, 9, tzinfo=UTC)

Morning = Callable[..., int]


def write(folder: Path, name: str, *front: str, body: str = "") -> None:
    words = body or f"What {name} says is its own affair, and nobody else says the same {name} things in these words."
    (folder / "posts" / f"{name}.md").write_text("\n".join(["---", *front, "---", words, ""]))


def dated(folder: Path, day: datetime, name: str, *front: str) -> None:
    write(folder, f"{day:%Y-%m-%d}-{name}", f"title: {name.title()}", f"date: {day:%Y-%m-%d}", *front)


@pytest.fixture
def morning(folder: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Morning:
    """A run of `send --new` on a morning of the test's choice; the exit code."""
    (folder / "posts" / "2026-05-04-hello.md").unlink()
    monkeypatch.chdir(folder)

    def run(now: datetime, since: str | None = None, *, digest: bool = False) -> int:
        config = load_config(folder / "newsletter.toml")
        options = Options(
            "", False, None, None, True, True, False, False, False, None, "", False, False, False, None,
            (parse_relay(relay.url),),
        )  # fmt: skip
        return send_new(config, options, since, digest=digest, send=lambda one: send_issue(config, one), now=now)

    return run


def subjects(relay: Relay) -> list[str]:
    """The subjects in the order in which they came, each once; every one reached everybody once."""
    came = [(parse(data)["Subject"], to) for to, data in relay.messages]
    counts = Counter(came)
    assert set(counts.values()) <= {1}
    order = list(dict.fromkeys(subject for subject, _ in came))
    assert all(sorted(to for subject, to in came if subject == one) == EVERYBODY for one in order)
    return order


def test_three_weeks_of_posts_each_go_out_once_on_their_day(folder: Path, morning: Morning, relay: Relay) -> None:
    dated(folder, START - 3 * DAY, "older")
    for number in range(0, 21, 6):
        dated(folder, START + number * DAY, f"post number {number}")
    dated(folder, START + 6 * DAY, "second of a day")
    write(folder, "undated", "title: Undated")
    dated(folder, START + DAY, "draft", "draft: true")
    held = START + 10 * DAY
    dated(folder, START + DAY, "held", f"publishDate: {held:%Y-%m-%d}")
    arrived: dict[int, list[str]] = {}
    for day in range(21):
        before = len(subjects(relay)) if relay.messages else 0
        assert morning(START + day * DAY) == 0
        if day % 5 == 0:
            assert morning(START + day * DAY + timedelta(hours=2)) == 0  # a job that runs twice
        new = (subjects(relay) if relay.messages else [])[before:]
        if new:
            arrived[day] = new
    assert arrived == {
        0: ["Post Number 0"],
        6: ["Post Number 6", "Second Of A Day"],
        10: ["Held"],
        12: ["Post Number 12"],
        18: ["Post Number 18"],
    }


def test_a_weekly_digest_has_the_posts_of_its_week_and_none_goes_out_again(
    folder: Path, morning: Morning, relay: Relay
) -> None:
    with (folder / "newsletter.toml").open("a") as config:
        config.write('\n[digest]\nevery = "weekly"\n')
    for number in range(1, 16, 2):
        dated(folder, START + number * DAY, f"n{number}")
    for day in range(16):
        assert morning(START + day * DAY) == 0
    assert subjects(relay) == ["N1 · N3 · N5 · N7", "N9 · N11 · N13"]
    text = parse(relay.messages[0][1]).get_body(("plain",))
    assert text is not None
    assert "Read on: https://example.org/n3/" in text.get_content()
    assert morning(START + 15 * DAY, digest=True) == 0
    assert subjects(relay)[2:] == ["N15"]


def test_older_posts_are_sent_when_a_day_is_named(folder: Path, morning: Morning, relay: Relay) -> None:
    dated(folder, START - 30 * DAY, "much older")
    dated(folder, START - 2 * DAY, "older")
    assert morning(START) == 0
    assert relay.messages == []
    assert morning(START, since="2026-05-01") == 0
    assert subjects(relay) == ["Older"]


def test_a_post_of_a_digest_is_not_sent_alone_and_a_renamed_one_not_again(
    folder: Path, morning: Morning, relay: Relay, call: Call
) -> None:
    dated(folder, START, "oaks")
    dated(folder, START, "rivers")
    assert morning(START, digest=True) == 0
    assert subjects(relay) == ["Oaks · Rivers"]
    code, _, err = call("send", "oaks", "--yes", "--smtp", relay.url)
    assert code == 2
    assert "went out in the digest 'digest-2026-05-04'; `--again NAME` sends it alone, to everybody" in err
    dated(folder, START, "stones")
    assert morning(START) == 0
    post = folder / "posts" / "2026-05-04-stones.md"
    post.rename(post.with_name("2026-05-04-pebbles.md"))
    assert morning(START + DAY) == 0
    assert subjects(relay) == ["Oaks · Rivers", "Stones"]


def test_what_stops_one_post_stops_no_other_and_is_told_by_the_exit_code(
    folder: Path, morning: Morning, relay: Relay, capfd: pytest.CaptureFixture[str]
) -> None:
    dated(folder, START, "oaks")
    write(folder, "2026-05-04-empty", "title: Empty", "date: 2026-05-04", body=" ")
    (folder / "posts" / "2026-05-04-broken.md").write_text("---\ntitle: [\n---\n")
    assert morning(START) == 2
    assert subjects(relay) == ["Oaks"]
    err = capfd.readouterr().err
    assert "2026-05-04-empty.md: has no words yet" in err
    assert "2026-05-04-broken.md:" in err


def test_an_issue_that_was_not_finished_is_finished_first_as_it_was_begun(
    folder: Path, morning: Morning, relay: Relay, call: Call
) -> None:
    dated(folder, START, "oaks")
    assert call("send", "oaks", "--yes", "--limit", "1", "--smtp", relay.url)[0] == 3
    dated(folder, START, "oaks", "subtitle: a mended one")
    dated(folder, START, "rivers")
    assert morning(START) == 0
    assert subjects(relay) == ["Oaks", "Rivers"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--new hello", "name a post, or give --new alone"),
        ("", "name a post, or give --new for all that are due"),
        ("hello --digest", "--since and --digest go with --new"),
        ("--new --since soon", "--since 'soon' is no day; write 2026-05-04"),
        ("--new --again x", "--new can't go with --to, --as-begun, --again, --limit or --at; name a post for those"),
    ],
)
def test_options_that_do_not_go_together_are_refused(call: Call, words: str, said: str) -> None:
    code, out, err = call("send", *words.split())
    assert (code, out, err) == (2, "", f"newsletter: {said}\n")


def test_of_two_runs_at_once_the_second_is_told_to_come_again(folder: Path, relay: Relay, call: Call) -> None:
    with SqliteLedger(folder / "newsletter.db") as first:
        first.hold("send --new")
        code, out, err = call("send", "--new", "--yes", "--since", "2026-05-01", "--smtp", relay.url)
        assert (code, out) == (75, "")
        assert "'send --new' is being sent by process" in err
    assert relay.messages == []
    code, out, _ = call("send", "--new", "--yes", "--since", "2026-05-01", "--json", "--smtp", relay.url)
    assert (code, [(one["issue"], one["sent"]) for one in json.loads(out)]) == (0, [("hello", 3)])
    assert json.loads(call("send", "--new", "--yes", "--json", "--smtp", relay.url)[1]) == []


def test_what_is_paused_scheduled_or_cancelled_is_left_and_the_others_go(
    folder: Path, relay: Relay, call_here: Call
) -> None:
    state = folder / "newsletter.db"
    for name in ("held", "later", "off"):
        with SqliteLedger(state) as ledger:
            plan(ledger, people(2), an_issue(f"The one that is {name}", name))
    execute(state, "UPDATE issues SET state = 'paused' WHERE id = 'held'")
    execute(state, "UPDATE issues SET starts = 4e9 WHERE id = 'later'")
    execute(state, "UPDATE issues SET state = 'cancelled' WHERE id = 'off'")
    code, out, err = call_here("send", "--new", "--yes", "--since", "2026-05-01", "--json", "--smtp", relay.url)
    assert (code, [one["issue"] for one in json.loads(out)]) == (0, ["hello"])
    assert "left: held: it is paused; `newsletter resume` goes on\n" in err
    assert "left: later: it is scheduled for later\n" in err
    assert "off" not in err


def test_the_state_is_kept_where_it_is_said(folder: Path, relay: Relay, call: Call) -> None:
    config = (folder / "newsletter.toml").read_text()
    (folder / "newsletter.toml").write_text(f'{config}\n[state]\ndir = "kept"\n')
    assert call("send", "hello", "--yes", "--smtp", relay.url)[0] == 0
    assert (folder / "kept" / "secret").exists()
    assert not (folder / ".newsletter").exists()
    (folder / "newsletter.toml").write_text(f'{config}\n[state]\ndir = "."\n')
    code, _, err = call("status")
    assert (code, "'.' is no folder of its own; write it like .newsletter" in err) == (2, True)
