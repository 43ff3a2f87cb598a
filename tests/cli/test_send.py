"""`send` as a user runs it, against a real SMTP server on loopback."""

import email
import email.policy
import errno
import json
import os
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.compose_process import Composing
from newsletter.config.settings import Config, load_config
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.site.site import Site
from tests.cli.conftest import POST, Run
from tests.smtp.listening import listen


class Kept:
    """Keeps each message with its envelope; refuses the recipients in `refuse`."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append((envelope.rcpt_tos[0], envelope.original_content))
        return "250 2.0.0 Ok"

    @property
    def recipients(self) -> list[str]:
        return sorted(rcpt for rcpt, _ in self.messages)


class Relay(Kept):
    """A relay that takes what it is given."""

    url = ""


@pytest.fixture
def relay() -> Iterator[Relay]:
    kept = Relay()
    controller = listen(kept)
    port = controller.port
    kept.url = f"smtp://127.0.0.1:{port}"
    yield kept
    controller.stop()


EVERYBODY = ["ada@example.org", "grace@example.net", "linus@example.com"]


def parse(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=email.policy.default)


def test_everybody_gets_it_once_and_a_second_send_sends_nothing(folder: Path, run: Run, relay: Relay) -> None:
    first = run("send", "hello", "--yes", "--json", "--smtp", relay.url)
    assert first.returncode == 0, first.stderr
    assert relay.recipients == EVERYBODY
    said = json.loads(first.stdout)
    keys = "issue post mode recipients sent deferred failed unknown pending skipped already_sent rejected"
    assert list(said) == [*keys.split(), "error", "seconds", "rate", "inbox", "paused", "state"]
    assert (said["issue"], said["mode"], said["recipients"], said["sent"]) == ("hello", "live", 3, 3)
    second = run("send", "hello", "--yes", "--json", "--smtp", relay.url)
    assert second.returncode == 0, second.stderr
    assert relay.recipients == EVERYBODY
    assert json.loads(second.stdout)["already_sent"] == 3
    assert "nothing to send: everybody has it" in run("send", "hello", "--yes", "--smtp", relay.url).stdout
    shown = run("status").stdout.splitlines()[0].split()
    assert shown == ["issue", "created", "state", "recipients", "sent"]  # what is nobody's state takes no room


def test_a_newcomer_gets_it_on_the_next_send_and_nobody_else(folder: Path, run: Run, relay: Relay) -> None:
    run("send", "hello", "--yes", "--smtp", relay.url)
    with (folder / "subscribers.csv").open("a") as file:
        file.write("joan@example.org,Joan,Cork\n")
    done = run("send", "hello", "--yes", "--smtp", relay.url)
    assert done.returncode == 0, done.stderr
    assert "joan@example.org" in done.stdout
    assert relay.recipients == sorted([*EVERYBODY, "joan@example.org"])


def test_the_message_is_what_render_shows_but_for_its_date(folder: Path, run: Run, relay: Relay) -> None:
    run("send", "hello", "--yes", "--smtp", relay.url)
    sent = dict(relay.messages)["ada@example.org"].splitlines()
    rendered = run("render", "hello", "--for", "ada@example.org", "--format", "eml").stdout.encode().splitlines()
    assert [one for one, other in zip(sent, rendered, strict=True) if one != other] in ([], [sent[3]]) or all(
        one.startswith(b"Date:") for one, other in zip(sent, rendered, strict=True) if one != other
    )
    message = parse(dict(relay.messages)["ada@example.org"])
    assert message["To"] == "Ada Moreau <ada@example.org>"
    assert message["Subject"] == "Hello"
    assert "unsubscribe@example.org" in message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] is None  # only with an https address


def test_a_refused_recipient_is_failed_and_named_and_not_tried_again(folder: Path, run: Run, relay: Relay) -> None:
    relay.refuse["grace@example.net"] = "550 5.1.1 no such user"
    done = run("send", "hello", "--yes", "--smtp", relay.url)
    assert done.returncode == 1, done.stderr
    assert relay.recipients == ["ada@example.org", "linus@example.com"]
    rows = json.loads(run("deliveries", "hello", "--format", "json", "--state", "failed").stdout)
    assert [row["email"] for row in rows] == ["grace@example.net"]
    assert list(rows[0]) == ["email", "state", "attempts", "reply", "message_id", "relay", "updated", "provider_id"]
    assert "no such user" in rows[0]["reply"]
    status = json.loads(run("status", "hello", "--json").stdout)
    assert (status["recipients"], status["sent"], status["failed"]) == (3, 2, 1)


def test_who_was_refused_for_good_is_not_tried_again_and_the_run_ends(folder: Path, run: Run, relay: Relay) -> None:
    relay.refuse["grace@example.net"] = "550 5.1.1 no such user"  # which suppresses, too
    run("send", "hello", "--yes", "--smtp", relay.url)
    done = run("send", "hello", "--yes", "--retry-failed", "--json", "--smtp", relay.url)
    assert (done.returncode, json.loads(done.stdout)["sent"]) == (1, 0), done.stderr
    assert relay.recipients == ["ada@example.org", "linus@example.com"]


def test_a_dry_run_reaches_the_inbox_and_leaves_the_ledger_alone(folder: Path, run: Run, relay: Relay) -> None:
    done = run("send", "hello", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["mode"], said["sent"], said["inbox"]) == ("dry-run", 3, str(folder / ".newsletter" / "inbox"))
    assert not (folder / "newsletter.db").exists()
    boxes = [path for name in ("new", "cur") for path in (folder / ".newsletter" / "inbox" / name).iterdir()]
    rehearsed = {parse(path.read_bytes())["To"].addresses[0].addr_spec: path.read_bytes() for path in boxes}
    assert sorted(rehearsed) == EVERYBODY
    run("send", "hello", "--yes", "--smtp", relay.url)
    for address, data in relay.messages:
        pairs = zip(data.splitlines(), rehearsed[address].splitlines(), strict=True)
        assert all(one.startswith(b"Date:") for one, other in pairs if one != other)


def test_to_sends_the_real_message_and_records_nothing(folder: Path, run: Run, relay: Relay) -> None:
    done = run("send", "hello", "--to", "me@example.org", "--to", "ada@example.org", "--smtp", relay.url)
    assert done.returncode == 0, done.stderr
    assert relay.recipients == ["ada@example.org", "me@example.org"]
    assert parse(dict(relay.messages)["ada@example.org"])["Subject"] == "Hello"
    assert json.loads(run("status", "--json").stdout) == []


def test_a_segment_and_a_limit_choose_and_the_rest_follows(folder: Path, run: Run, relay: Relay) -> None:
    done = run("send", "hello", "--yes", "--where", "subscriber.city == 'Lyon'", "--smtp", relay.url)
    assert done.returncode == 0, done.stderr
    assert relay.recipients == ["ada@example.org"]
    run("send", "hello", "--yes", "--limit", "1", "--smtp", relay.url)
    assert len(relay.messages) == 2
    run("send", "hello", "--yes", "--smtp", relay.url)
    assert relay.recipients == EVERYBODY


def test_a_post_that_was_edited_stops_and_shows_the_ways_on(folder: Path, run: Run, relay: Relay) -> None:
    run("send", "hello", "--yes", "--limit", "1", "--smtp", relay.url)
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(POST.replace("first line", "opening line"))
    stopped = run("send", str(post), "--yes", "--smtp", relay.url)
    assert stopped.returncode == 2
    assert "--again" in stopped.stderr
    assert "opening line" in stopped.stderr
    assert len(relay.messages) == 1
    finished = run("send", "hello", "--yes", "--as-begun", "--limit", "1", "--smtp", relay.url)
    assert finished.returncode == 3, finished.stderr  # one more is pending
    assert b"first line" in relay.messages[-1][1]
    again = run("send", str(post), "--yes", "--again", "hello-2", "--smtp", relay.url)
    assert again.returncode == 0, again.stderr
    assert len(relay.messages) == 5


def test_checks_stop_a_live_send_unless_forced(folder: Path, run: Run, relay: Relay) -> None:
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(POST + "\n[A link](http://localhost:4000/draft/)\n")
    stopped = run("send", "hello", "--yes", "--smtp", relay.url)
    assert stopped.returncode == 2
    assert "link-target" in stopped.stderr
    assert not relay.messages
    assert run("send", "hello", "--yes", "--force", "--smtp", relay.url).returncode == 0
    assert relay.recipients == EVERYBODY


def test_a_second_sender_is_refused_before_its_post_is_composed(folder: Path, run: Run, relay: Relay) -> None:
    assert run("send", "hello", "--yes", "--smtp", relay.url, cwd=folder).returncode == 0
    templates = folder / "email_templates"
    templates.mkdir(exist_ok=True)
    (templates / "post.html").write_text("{{ broken")
    with SqliteLedger(folder / "newsletter.db") as ledger:
        ledger.hold("hello")
        done = run("send", "hello", "--yes", "--smtp", relay.url, cwd=folder)
    assert done.returncode == 75
    assert f"is being sent by process {os.getpid()} on " in done.stderr
    assert run("send", "hello", "--yes", "--smtp", relay.url, cwd=folder).returncode == 2  # the template's turn


def test_a_mishap_in_the_process_that_composes_reaches_the_send(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_post(config: Config, site: Site, typed: str) -> None:
        raise OSError(errno.EIO, "Input/output error", typed)

    monkeypatch.setattr("newsletter.cli.posts.find_post", find_post)
    composing = Composing(load_config(folder / "newsletter.toml"), "hello", None, live=True, force=False)
    with pytest.raises(OSError, match="Input/output error: 'hello'"):
        composing.issue_id()
