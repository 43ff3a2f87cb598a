"""`send --when-live`: the mail waits for the web, asked over real HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.test_send import EVERYBODY, Relay, relay

__all__ = ["relay"]


class Site:
    """A web site that shows a page from its n-th look on."""

    def __init__(self) -> None:
        self.looks = 0
        self.live_after: dict[str, int] = {}
        self.body = "<html><h1>Hello</h1></html>"
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.looks += 1
                there = site.live_after.get(self.path, 10**9) < site.looks
                self.send_response(200 if there else 404)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(site.body.encode())

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, daemon=True)
    thread.start()
    config = folder / "newsletter.toml"
    config.write_text(config.read_text().replace("https://example.org", site.url))
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def test_nothing_leaves_before_the_page_and_its_pictures_are_there(
    folder: Path, call: Call, relay: Relay, site: Site
) -> None:
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(post.read_text().replace("The first", "![A tree](/tree.png) The first"))
    site.live_after = {"/hello/": 1, "/tree.png": 0}
    code, out, err = call("send", "hello", "--when-live", "--yes", "--force", "--smtp", relay.url)
    assert code == 0, err
    assert relay.recipients == EVERYBODY
    assert f"{site.url}/hello/ answers 404" in out
    assert site.looks >= 3


@pytest.mark.parametrize(
    ("live", "body", "why"),
    [
        ({}, "", "/hello/ answers 404"),
        ({"/hello/": 0}, "<p>Somebody else's</p>", "answers, without the title 'Hello'"),
    ],
)
def test_a_page_that_does_not_come_ends_the_send_before_it_began(
    folder: Path, call: Call, relay: Relay, site: Site, live: dict[str, int], body: str, why: str
) -> None:
    site.live_after, site.body = live, body
    with (folder / "newsletter.toml").open("a") as config:
        config.write('[posts]\nlive = true\nlive_wait = "1s"\n')
    code, _, err = call("send", "hello", "--yes", "--force", "--smtp", relay.url)
    assert code == 75, err
    assert "is not on the web yet, after 1.0 s" in err
    assert why in err
    assert relay.messages == []
    assert call("status")[1].startswith("no issue has been sent yet")
