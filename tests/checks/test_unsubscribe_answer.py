"""What answers at `[unsubscribe] url`: opened, and clicked once, with a token that stands for nobody."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, load_secret, read_token
from newsletter.config.settings import load_config
from tests.checks.servers import listening
from tests.cli.conftest import CONFIG, Call, call, folder
from tests.cli.test_send import Relay, relay

__all__ = ["call", "folder", "relay"]


@dataclass
class Pages:
    """Answers GET and POST with the codes given; remembers what was asked."""

    get: str = "200 OK"
    post: str = "200 OK"
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        length = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
        body = (await reader.readexactly(int(length[0]))).decode() if length else ""
        self.asked.append((method, path, body))
        writer.write(f"HTTP/1.1 {self.get if method == 'GET' else self.post}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()


@pytest.fixture
def pages(folder: Path) -> Iterator[Pages]:
    """The pages on loopback, in a thread of their own, and named in newsletter.toml."""
    found, ready, stop = Pages(), Event(), Event()

    async def run() -> None:
        async with listening(found.serve) as found.port:
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    config = CONFIG.replace("[unsubscribe]", f'[unsubscribe]\nurl = "http://127.0.0.1:{found.port}/news"')
    (folder / "newsletter.toml").write_text(config)
    yield found
    stop.set()
    thread.join()


def found_by(out: str) -> list[str]:
    return [each["message"] for each in json.loads(out) if each["rule"] == "unsubscribe-answer"]


def test_it_is_opened_and_clicked_once_for_nobody(folder: Path, call: Call, pages: Pages) -> None:
    _, out, _ = call("check", "hello", "--links", "--json")
    assert found_by(out) == []
    (opened, path, _), (clicked, again, body) = pages.asked
    assert (opened, clicked, body) == ("GET", "POST", "List-Unsubscribe=One-Click")
    assert path == again
    base, _, token = path.rpartition("/u/")
    assert base == "/news"
    secret = load_secret(load_config(folder / "newsletter.toml"))
    assert read_token(secret, "unsubscribe", token) == (TEST_EMAIL, TEST_ISSUE)


@pytest.mark.parametrize(
    ("get", "post", "said"),
    [
        ("404 Not Found", "200 OK", "answers opening it with 404, not with 2xx"),
        ("500 Oops", "200 OK", "answers opening it with 500, not with 2xx"),
        ("200 OK", "404 Not Found", "answers one click with 404, not with 2xx"),
        ("200 OK", "405 No", "answers one click with 405, not with 2xx"),
        ("200 OK", "303 See\r\nLocation: /bye", "answers one click with 303, a redirect to /bye, not with 2xx"),
        ("200 OK", "202 Later", ""),
        ("302 Found\r\nLocation: /page", "200 OK", ""),
    ],
)
def test_what_answers_otherwise_is_an_error(
    folder: Path, call: Call, pages: Pages, get: str, post: str, said: str
) -> None:
    pages.get, pages.post = get, post
    code, out, _ = call("check", "hello", "--links", "--json")
    found = found_by(out)
    assert [said in message for message in found] == ([True] if said else []), found
    assert code == 1 or not said
    assert (folder / ".newsletter" / "unsubscribe.json").exists() is not bool(said)


def test_nothing_behind_it_is_an_error_with_the_line_of_the_key(folder: Path, call: Call) -> None:
    config = CONFIG.replace("[unsubscribe]", '[unsubscribe]\nurl = "http://127.0.0.1:9"')
    (folder / "newsletter.toml").write_text(config)
    code, out, _ = call("check", "hello", "--links", "--json")
    (finding,) = [each for each in json.loads(out) if each["rule"] == "unsubscribe-answer"]
    assert code == 1
    assert "does not answer" in finding["message"]
    assert (finding["source"], finding["line"]) == (
        "newsletter.toml",
        config.splitlines().index('url = "http://127.0.0.1:9"') + 1,
    )


def test_without_links_and_by_sending_nobody_is_asked_and_the_plan_says_that_it_never_answered(
    call: Call, pages: Pages, relay: Relay
) -> None:
    call("check", "hello")
    code, out, _ = call("send", "hello", "--yes", "--force", "--limit", "1", "--smtp", relay.url)
    assert "has never answered; `newsletter check posts/2026-05-04-hello.md --links` asks it" in out
    assert pages.asked == []
    call("check", "hello", "--links")
    assert pages.asked
    code, out, _ = call("send", "hello", "--yes", "--force", "--smtp", relay.url)
    assert code == 0
    assert "never answered" not in out


def test_another_address_has_not_answered(folder: Path, call: Call, pages: Pages, relay: Relay) -> None:
    call("check", "hello", "--links")
    config = folder / "newsletter.toml"
    config.write_text(config.read_text().replace("/news", "/other"))
    assert "has never answered" in call("send", "hello", "--yes", "--force", "--smtp", relay.url)[1]
