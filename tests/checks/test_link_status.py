"""Links asked over the network, on a real server on loopback."""

import asyncio
import ipaddress
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from newsletter.checks.public_address import is_public
from newsletter.checks.rules.link_status import LinkStatus, check_links
from newsletter.checks.sample import sample_of
from tests.checks.mail import here, message
from tests.checks.servers import listening


class Web:
    """An HTTP server whose paths say how it statuses; counts what it was asked, and how many at a time."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open = self.most = 0
        self.port = 0
        self.release = asyncio.Event()
        self.full = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        if self.open == 2:
            self.full.set()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            self.asked[f"{method} {target}"] += 1
            await self._answer(writer, method, target)
            await writer.drain()
        finally:
            self.open -= 1

    async def _answer(self, writer: asyncio.StreamWriter, method: str, target: str) -> None:
        match target.partition("?")[0].strip("/").split("/"):
            case ["status", code]:
                writer.write(f"HTTP/1.1 {code} Whatever\r\n\r\n".encode())
            case ["picture", size]:
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            case ["hinted", code]:
                writer.write(f"HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\nHTTP/1.1 {code} X\r\n\r\n".encode())
            case ["get-only"]:
                writer.write(f"HTTP/1.1 {405 if method == 'HEAD' else 200} X\r\n\r\n".encode())
            case ["moved", code, *rest]:
                writer.write(f"HTTP/1.1 {code} Moved\r\nLocation: /{'/'.join(rest)}\r\n\r\n".encode())
            case ["to", host]:
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: http://{host}/secret\r\n\r\n".encode())
            case ["loop"]:
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\n\r\n")
            case ["junk"]:
                writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
            case ["endless"]:
                writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
            case ["hold", *_]:
                await self.release.wait()
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            case _:
                return  # hangs up


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    web = Web()
    async with listening(web.serve, tls) as web.port:
        try:
            yield web
        finally:
            web.release.set()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as web:
        yield web


async def ask(web: Web, *paths: str, statuses=None, **more) -> list[tuple[str, str]]:
    here_too = f"http://127.0.0.1:{web.port}/"
    urls = (path if re.match(r"\w+:|#", path) else here_too + path for path in paths)
    links = "".join(f"<a href='{url}'>x</a>" for url in urls)
    more.setdefault("allowed", lambda address: address == ipaddress.ip_address("127.0.0.1"))
    known = {f"https://example.org/{name}": LinkStatus(200) for name in ("oaks.jpg", "oaks/")} | (statuses or {})
    found = await check_links(sample_of(message(here(links))), known, **more)
    if statuses is not None:
        statuses.update(known)
    return [(finding.severity, finding.message) for finding in found]


async def test_what_answers_with_2xx_is_fine(web):
    assert await ask(web, "status/200", "status/204", "get-only") == []
    assert web.asked["GET /get-only"] == 1
    assert web.asked["GET /status/200"] == 0


@pytest.mark.parametrize(
    "path", ["status/404", "status/500", "status/403", "junk", "endless", "hang-up", "loop", "status/302"]
)
async def test_what_does_not_answer_with_2xx_is_an_error(web, path):
    assert [severity for severity, _ in await ask(web, path)] == ["error"]


@pytest.mark.parametrize(("size", "heavy"), [("1048576", False), ("1048577", True)])
async def test_a_heavy_picture_elsewhere_is_told(web, size, heavy):
    url = f"http://127.0.0.1:{web.port}/picture/{size}"
    known = {f"https://example.org/{name}": LinkStatus(200) for name in ("oaks.jpg", "oaks/")}
    sample = sample_of(message(here(f"<a href='{url}?link'>x</a><img src='{url}' alt='An oak' width='9'>")))
    found = await check_links(sample, known, allowed=lambda address: True)
    assert [(f.rule, f.severity) for f in found] == ([("image-source", "warning")] if heavy else [])


@pytest.mark.parametrize("size", ["-", "9" * 5000])
async def test_a_length_that_is_no_number_is_no_http(web, size):
    [(severity, what)] = await ask(web, f"picture/{size}")
    assert severity == "error"
    assert what.endswith("does not speak HTTP")


async def test_early_hints_are_not_the_answer(web):
    assert await ask(web, "hinted/200") == []
    assert [severity for severity, _ in await ask(web, "hinted/404")] == ["error"]


async def test_a_redirect_for_good_is_told_and_another_is_not(web):
    assert await ask(web, "moved/302/status/200", "moved/307/status/200") == []
    [(severity, what)] = await ask(web, "moved/301/moved/308/status/200")
    assert severity == "info"
    assert what.endswith(f"http://127.0.0.1:{web.port}/status/200")


async def test_a_redirect_to_a_dead_page_is_an_error(web):
    assert await ask(web, "moved/301/status/404") != []


async def test_a_private_address_is_refused_and_not_asked(web):
    [(severity, what)] = await ask(web, "status/200", allowed=is_public)
    assert severity == "error"
    assert "private address" in what
    assert not web.asked


async def test_a_private_address_is_refused_at_each_hop(web):
    async with serving() as inner:
        [(severity, what)] = await ask(web, f"to/127.0.0.2:{inner.port}")
        assert severity == "error"
        assert "private address" in what
        assert not inner.asked
    assert web.asked["HEAD /to/127.0.0.2:" + str(inner.port)] == 1


async def test_a_name_that_resolves_to_a_private_address_is_refused(web):
    [(_, what)] = await ask(web, f"http://localhost:{web.port}/status/200", allowed=is_public)
    assert "private address" in what


@pytest.mark.parametrize(
    ("address", "public"),
    [("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False),
     ("224.0.0.1", False), ("::1", False), ("fd00::1", False), ("fe80::1", False), ("::ffff:127.0.0.1", False),
     ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("192.168.0.1", False), ("8.8.8.8", True),
     ("2606:4700:4700::1111", True), ("64:ff9b::808:808", True),
     ("64:ff9b:1::808:808", False), ("fec0::1", False), ("5f00::1", False)],
)  # fmt: skip
def test_public_addresses_are_told_from_others(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


async def test_two_requests_at_a_time_for_each_host(web):
    asking = asyncio.create_task(ask(web, *(f"hold/{number}" for number in range(6))))
    await web.full.wait()
    web.release.set()
    assert await asking == []
    assert web.most == 2


async def test_a_host_that_keeps_silent_is_given_up(web):
    [(severity, what)] = await ask(web, "hold/0", seconds=0.05)
    assert severity == "error"
    assert "0.05 seconds" in what


async def test_answers_are_remembered(web):
    statuses: dict[str, LinkStatus] = {}
    await ask(web, "status/404", statuses=statuses)
    again = await ask(web, "status/404", statuses=statuses)
    assert len(again) == 1
    assert web.asked["HEAD /status/404"] == 1


async def test_the_same_address_is_asked_once_and_a_fragment_is_no_other(web):
    await ask(web, "status/200", "status/200#top", "status/200")
    assert web.asked.total() == 1


async def test_the_address_to_unsubscribe_by_is_not_asked(web):
    url = f"http://127.0.0.1:{web.port}/u/token"
    raw = message(here(f"<a href='{url}'>Leave</a>"), list_unsubscribe=f"<{url}>")
    known = {f"https://example.org/{name}": LinkStatus(200) for name in ("oaks.jpg", "oaks/", "u/token")}
    assert await check_links(sample_of(raw), known, allowed=lambda address: True) == []
    assert not web.asked


async def test_a_port_where_nobody_listens_and_a_name_that_is_none_are_errors(web):
    found = await ask(web, "http://127.0.0.1:1/", "http://nowhere.invalid/", "https://exa mple.org/")
    assert {severity for severity, _ in found} == {"error"}


async def test_what_is_no_address_is_left_to_another_rule(web):
    assert await ask(web, "http://[::x/", "mailto:ada@example.org", "http://127.0.0.1/{{ path }}", "#here") == []


async def test_a_redirect_to_what_is_no_address_is_an_error(web):
    [(severity, what)] = await ask(web, "to/[::x")
    assert severity == "error"
    assert "no address" in what


async def test_certificates_are_verified():
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(server) as web:
        url = f"https://127.0.0.1:{web.port}/status/200"
        assert await ask(web, url, tls=trusting) == []
        [(severity, what)] = await ask(web, url)
        assert severity == "error"
        assert "certificate" in what
