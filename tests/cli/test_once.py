"""The right post, to the right people, once: whatever was renamed, mended, taken off the list or forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.console import say_row
from tests.cli.conftest import CONFIG, POST, Call, Run
from tests.cli.test_send import EVERYBODY, Relay, relay

__all__ = ["relay"]

HELLO = "2026-05-04-hello.md"


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def send(folder: Path, call: Call, relay: Relay) -> Call:
    """A live send; the exit code, stdout, stderr."""

    def send(*arguments: str) -> tuple[int, str, str]:
        return call("send", *arguments, "--yes", "--smtp", relay.url)

    return send


def added(folder: Path, *rows: str) -> None:
    with (folder / "subscribers.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


def taken_off(folder: Path, email: str) -> None:
    path = folder / "subscribers.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if email not in line))


# Renamed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("2026-05-04-hello-world.md", POST),
        ("2026-11-26-hello-world.md", POST.replace("2026-05-04", "2026-11-26")),
        ("good-day.md", POST.replace("title: Hello", "title: Good day")),
        ("2026-05-04-hello.md", POST.replace("title: Hello", "slug: other\ntitle: Hello")),
        ("essays/hello-again.md", POST),
    ],
)
def test_a_renamed_post_goes_to_nobody_a_second_time(
    folder: Path, send: Call, relay: Relay, name: str, text: str
) -> None:
    assert send("hello")[0] == 0
    (folder / "posts" / HELLO).unlink()
    renamed = folder / "posts" / name
    renamed.parent.mkdir(exist_ok=True)
    renamed.write_text(text)
    code, _, said = send(f"posts/{name}")
    assert code == 2
    assert f"posts/{name}: has the words of issue 'hello', which was posts/{HELLO}" in said
    assert relay.recipients == EVERYBODY
    added(folder, "joan@example.org,Joan,Cork")
    assert send("hello", "--as-begun")[0] == 0
    assert relay.recipients == sorted([*EVERYBODY, "joan@example.org"])
    assert send(f"posts/{name}", "--again", "meant")[0] == 0
    assert len(relay.messages) == 8


def test_a_renamed_post_is_known_under_another_footer_and_address(folder: Path, send: Call, relay: Relay) -> None:
    assert send("hello")[0] == 0
    (folder / "posts" / HELLO).rename(folder / "posts" / "hello-world.md")
    changed = CONFIG.replace("1 Main Street, Springfield", "2 Side Street, Springfield")
    changed = changed.replace("https://example.org", "https://blog.example.net").replace(
        "The Long View", "The Short View"
    )
    (folder / "newsletter.toml").write_text(changed)
    assert send("hello-world")[0] == 2
    assert relay.recipients == EVERYBODY


def test_two_short_posts_with_other_titles_are_two_posts(folder: Path, send: Call, relay: Relay) -> None:
    (folder / "posts" / "monday.md").write_text("---\ntitle: Monday\n---\nSee you there.\n")
    (folder / "posts" / "tuesday.md").write_text("---\ntitle: Tuesday\n---\nSee you there.\n")
    assert send("monday")[0] == 0
    assert send("tuesday")[0] == 0
    assert len(relay.messages) == 6


def test_a_post_that_nobody_was_sent_may_be_renamed(folder: Path, send: Call, relay: Relay) -> None:
    for address in EVERYBODY:
        relay.refuse[address] = "450 4.2.0 later"
    assert send("hello", "--no-wait")[0] == 1
    relay.refuse.clear()
    (folder / "posts" / HELLO).rename(folder / "posts" / "hello-world.md")
    assert send("hello-world")[0] == 0
    assert relay.recipients == EVERYBODY


LONG = POST.replace(
    "something to read.",
    "something to read: of rivers that knew the town before it had a name, and of the people who count them.",
)


def test_a_renamed_post_with_a_mended_word_stops_too(folder: Path, send: Call, relay: Relay) -> None:
    (folder / "posts" / HELLO).write_text(LONG)
    assert send("hello")[0] == 0
    (folder / "posts" / HELLO).unlink()
    (folder / "posts" / "hello-world.md").write_text(LONG.replace("rivers", "streams"))
    code, _, said = send("hello-world")
    assert code == 2
    assert f"% of its words are those of issue 'hello' (posts/{HELLO}), a file that is no longer there" in said
    assert relay.recipients == EVERYBODY
    assert send("hello-world", "--again", "meant")[0] == 0


def test_the_plan_names_the_issue_that_a_new_one_resembles(folder: Path, send: Call, relay: Relay) -> None:
    (folder / "posts" / HELLO).write_text(LONG)
    assert send("hello")[0] == 0
    (folder / "posts" / "june.md").write_text(LONG.replace("rivers", "streams"))
    (folder / "posts" / "other.md").write_text(
        "---\ntitle: Other\n---\n" + "Quite another text, of which no word stood before. " * 4
    )
    assert "Resembles" not in send("other")[1]
    code, shown, _ = send("june")
    assert code == 0
    row = next(line for line in shown.splitlines() if line.startswith("Resembles"))
    assert f"% of its words are those of issue 'hello' (posts/{HELLO})" in row
    assert send("june", "--json")[0] == 0


def test_a_rehearsal_foretells_what_the_live_ledger_would_refuse(folder: Path, send: Call, call: Call) -> None:
    assert send("hello")[0] == 0
    (folder / "posts" / HELLO).rename(folder / "posts" / "renamed.md")
    code, _, said = call("send", "renamed", "--dry-run")
    assert code == 0
    assert "a live send would stop: posts/renamed.md: has the words of issue 'hello'" in said
    assert "says what" not in call("send", "renamed", "--dry-run", "--again", "meant")[2]
    (folder / "posts" / HELLO).write_text(POST.replace("second paragraph", "third paragraph"))
    assert "has changed since issue 'hello' was begun" in call("send", f"posts/{HELLO}", "--dry-run")[2]


# A slug in use


def test_a_second_file_with_a_slug_in_use_is_refused_and_the_first_is_named(
    folder: Path, send: Call, relay: Relay
) -> None:
    first, second = "2026-11-19-weekly.md", "2026-11-26-weekly.md"
    (folder / "posts" / first).write_text("---\ntitle: Links 1\n---\nThe first text.\n")
    assert send("weekly")[0] == 0
    (folder / "posts" / second).write_text("---\ntitle: Links 2\n---\nThe second text.\n")
    for arguments in ((f"posts/{second}",), (f"posts/{second}", "--as-begun")):
        code, _, said = send(*arguments)
        assert code == 2
        assert f"posts/{second}: has the same slug, 'weekly', as posts/{first}" in said
        assert "slug: weekly-2" in said
        assert "undo the change" not in said
    (folder / "posts" / second).write_text("---\ntitle: Links 2\nslug: weekly-2\n---\nThe second text.\n")
    assert send(f"posts/{second}")[0] == 0
    assert len(relay.messages) == 6


def test_a_post_that_moved_and_changed_is_told_as_changed(folder: Path, send: Call) -> None:
    send("hello", "--limit", "1")
    (folder / "posts" / HELLO).unlink()
    (folder / "posts" / "2026-05-05-hello.md").write_text(POST.replace("first line", "opening line"))
    code, _, said = send("hello")
    assert code == 2
    assert "has changed since issue 'hello' was begun" in said
    assert "opening line" in said


# A mended typo


def test_a_mended_typo_goes_to_those_who_lack_the_first_and_to_nobody_twice(
    folder: Path, send: Call, relay: Relay
) -> None:
    relay.refuse["linus@example.com"] = "550 5.1.0 not today"
    send("hello", "--limit", "1")
    (folder / "posts" / HELLO).write_text(POST.replace("first line", "opening line"))
    code, _, said = send("hello")
    assert code == 2
    assert "-The first line" in said
    assert "+The opening line" in said
    assert "`--again NAME`: to everybody, or with `--except hello` only to those who do not have 'hello'" in said
    relay.refuse.clear()
    code, out, _ = send("hello", "--again", "hello-2", "--except", "hello")
    assert code == 0
    assert "1 who have or may have 'hello'" in out
    assert relay.recipients == EVERYBODY
    assert [b"opening line" in data for _, data in relay.messages] == [False, True, True]
    for arguments in ((), ("--except", "hello")):  # said once, it holds
        assert send("hello", "--again", "hello-2", *arguments)[0] == 0
        assert len(relay.messages) == 3
    added(folder, "joan@example.org,Joan,Cork")
    assert send("hello", "--again", "hello-2")[0] == 0
    assert relay.recipients == sorted([*EVERYBODY, "joan@example.org"])


def test_whoever_may_have_it_counts_as_having_it(folder: Path, send: Call, call: Call, relay: Relay) -> None:
    import sqlite3

    send("hello", "--limit", "1")
    with sqlite3.connect(folder / "newsletter.db") as db:
        db.execute("UPDATE deliveries SET state = 'unknown' WHERE email = 'grace@example.net'")
    (folder / "posts" / HELLO).write_text(POST.replace("first line", "opening line"))
    code, out, _ = call("send", "hello", "--again", "hello-2", "--except", "hello", "--dry-run", "--json")
    assert code == 0
    rehearsed = json.loads(out)
    assert send("hello", "--again", "hello-2", "--except", "hello")[0] == 0
    assert relay.recipients == ["ada@example.org", "linus@example.com"]
    assert (rehearsed["sent"], rehearsed["skipped"]) == (1, 2)


def test_an_exception_that_is_no_issue_is_refused_with_the_nearest(send: Call, relay: Relay) -> None:
    send("hello", "--limit", "1")
    code, _, said = send("hello", "--again", "hello-2", "--except", "helo")
    assert code == 2
    assert "--except 'helo': there is no such issue; did you mean 'hello'?" in said
    assert len(relay.messages) == 1


# As begun


def test_as_begun_the_post_is_frozen_and_the_list_is_not(folder: Path, send: Call, relay: Relay) -> None:
    send("hello", "--limit", "1")
    (folder / "posts" / HELLO).write_text(POST.replace("first line", "opening line"))
    taken_off(folder, "grace@example.net")
    added(folder, "joan@example.org,Joan,Cork")
    code, out, _ = send("hello", "--as-begun")
    assert code == 0
    assert relay.recipients == ["ada@example.org", "joan@example.org", "linus@example.com"]
    assert all(b"first line" in data for _, data in relay.messages)
    assert "1: grace@example.net" in out
    assert "1: joan@example.org" in out


def test_as_begun_whoever_left_by_a_column_is_skipped(folder: Path, send: Call, relay: Relay) -> None:
    (folder / "subscribers.csv").write_text("email,status\nada@example.org,active\ngrace@example.net,active\n")
    send("hello", "--limit", "1")
    (folder / "subscribers.csv").write_text("email,status\nada@example.org,active\ngrace@example.net,unsubscribed\n")
    assert send("hello", "--as-begun")[0] == 0
    assert relay.recipients == ["ada@example.org"]


# Those who left


def test_the_plan_shows_who_is_left_out_and_what_stands_in_the_column(folder: Path, send: Call, relay: Relay) -> None:
    (folder / "subscribers.csv").write_text(
        "email,status\nada@example.org,active\ngrace@example.net,unsubscribed\nlinus@example.com,lapsed\nbob,active\n"
    )
    code, out, said = send("hello", "--where", "subscriber.email != ''")
    assert code == 0
    assert "Left out     1 who left, 1 of rows that can't be mailed" in out
    assert "status: active 1, lapsed 1, unsubscribed 1 (left)" in out
    assert "subscribers.csv:5: no '@' in 'bob'" in said
    assert relay.recipients == ["ada@example.org", "linus@example.com"]


def test_rejected_rows_are_in_the_json_and_named_beside_it(folder: Path, send: Call) -> None:
    added(folder, "bob,Bob,Oslo", "ada@example.org,Again,Lyon", "short")
    code, out, said = send("hello", "--json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["rejected"]
    assert [(row["line"], row["email"]) for row in found] == [(5, "bob"), (6, "ada@example.org"), (7, "")]
    assert all(row["reason"] for row in found)
    assert "subscribers.csv:5: no '@' in 'bob'" in said


def test_a_standing_segment_always_holds(folder: Path, send: Call, relay: Relay) -> None:
    config = folder / "newsletter.toml"
    config.write_text(config.read_text() + "[subscribers]\nwhere = \"subscriber.city != 'Oslo'\"\n")
    code, out, _ = send("hello", "--where", "subscriber.city in ['Oslo', 'Lyon']")
    assert code == 0
    assert "1 outside [subscribers] where" in out
    assert relay.recipients == ["ada@example.org"]
    assert send("hello")[0] == 0
    assert relay.recipients == ["ada@example.org", "grace@example.net"]


def test_a_list_that_lost_its_rows_is_told_and_not_taken_for_an_issue_that_all_have(folder: Path, send: Call) -> None:
    assert send("hello")[0] == 0
    (folder / "subscribers.csv").write_text("email,name,city\n")
    for arguments in (("hello",), ("hello", "--as-begun")):
        code, _, said = send(*arguments)
        assert (code, "there are no subscribers" in said) == (2, True)


def test_the_plan_says_what_may_be_amiss(folder: Path, send: Call, call: Call) -> None:
    (folder / "posts" / HELLO).write_text(POST.replace("subtitle:", "subtitel:").replace("2026", "2099"))
    code, shown, _ = send("hello")
    assert code == 0
    rows = {line[:13].strip(): line[13:] for line in shown.splitlines()}
    assert rows["First"].startswith("no issue was sent from here before")
    assert rows["Post's date"].startswith("2099-05-04")
    assert rows["Post's date"].endswith("yet to come")
    assert "Warnings" in rows
    assert f"posts/{HELLO}:3: the front matter's 'subtitel' means nothing here" in shown
    (folder / "posts" / "next.md").write_text(
        "---\ntitle: Next\nsubtitel: x\n---\n" + "Other words than the ones before. " * 5
    )
    code, shown, said = send("next", "--json")
    assert code == 0
    assert "Warnings: posts/next.md:3: the front matter's 'subtitel'" in said
    json.loads(shown)
    assert "First" not in call("send", "hello", "--dry-run")[1]


def test_a_list_of_which_everybody_is_left_out_says_so(folder: Path, send: Call) -> None:
    (folder / "subscribers.csv").write_text("email,status\nada@example.org,unsubscribed\n")
    code, _, said = send("hello")
    assert code == 2
    assert "everybody on it is left out: 1 who left" in said


# In a CI job


@pytest.mark.parametrize("ci", ["true", "1", "yes", "TRUE"])
def test_a_job_that_has_forgotten_stops_before_it_mails_everybody_again(
    folder: Path, run: Run, relay: Relay, ci: str
) -> None:
    for _ in range(2):
        done = run("send", "hello", "--yes", "--smtp", relay.url, CI=ci)
        assert done.returncode == 2
        assert "this CI job has no ledger that knows who was mailed" in done.stderr
        assert "--first" in done.stderr
    assert not relay.messages
    assert not (folder / "newsletter.db").exists()
    assert run("send", "hello", "--dry-run", CI=ci).returncode == 0


@pytest.mark.parametrize("ci", ["", "0", "false", "False"])
def test_no_job_is_asked_nothing(send: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("JENKINS_URL", "http://localhost/" if ci == "0" else "")  # what `CI` says comes first
    assert send("hello")[0] == 0
    assert relay.recipients == EVERYBODY


def test_the_first_send_of_a_job_says_so_and_the_next_goes_on(
    folder: Path, send: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert send("hello", "--first")[0] == 0
    assert send("hello")[0] == 0
    assert relay.recipients == EVERYBODY
    (folder / ".newsletter" / "secret").unlink()
    code, _, said = send("hello")
    assert code == 2
    assert "this CI job has no secret" in said
    monkeypatch.setenv("NEWSLETTER_SECRET", "x" * 64)
    assert send("hello")[0] == 0


def test_what_only_looks_makes_no_secret_that_would_hide_a_lost_one(
    folder: Path, send: Call, call: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert send("hello", "--first")[0] == 0
    (folder / ".newsletter" / "secret").unlink()
    for looking in (("check", "hello"), ("render", "hello"), ("send", "hello", "--dry-run")):
        assert call(*looking)[0] == 0
    code, _, said = send("hello")
    assert code == 2
    assert "this CI job has no secret" in said


def test_on_a_terminal_of_eighty_columns_no_row_of_the_plan_is_wider(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    say_row("", "status: " + ", ".join(f"unsubscribed-{number} 1 (left)" for number in range(20)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert all(len(line) <= 80 and line.startswith(" " * 13) for line in lines)


def test_a_ledger_without_an_issue_remembers_nobody(
    folder: Path, send: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = folder / "posts" / HELLO
    post.write_text(POST.replace("title:", "draft: true\ntitle:", 1))
    assert send("hello")[0] == 2  # a refused send may leave a ledger, but no issue in it
    post.write_text(POST)
    monkeypatch.setenv("CI", "true")
    assert send("hello")[0] == 2
    assert not relay.messages
