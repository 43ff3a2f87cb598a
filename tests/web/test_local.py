"""The guard of the local tools, asked over a real socket as its owner, another user of the machine and another site."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from newsletter.errors import NewsletterError
from newsletter.web.local import LocalGuard, bind_free, is_loopback
from newsletter.web.local_token import door, load_token, with_token
from newsletter.web.security import SecurityHeaders, mail_policy
from newsletter.web.server import serve_app

SECRET = "a secret & more"


@dataclass
class Tool:
    """A guarded tool, and what a page of it would know."""

    port: int
    page_token: str = ""
    cookie: str = ""

    async def ask(self, method: str, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers; underscores in the names of `headers` are hyphens."""

        def ask() -> tuple[int, str, dict[str, str]]:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=sent)
            response = connection.getresponse()
            body = response.read().decode()
            connection.close()
            return response.status, body, {name.lower(): value for name, value in response.getheaders()}

        return await asyncio.to_thread(ask)

    async def enter(self) -> None:
        """What the owner's browser does with the address that the command opened."""
        status, _, headers = await self.ask("GET", with_token("/", SECRET))
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]
        self.page_token = (await self.ask("GET", "/", Cookie=self.cookie))[1].partition(" ")[2]


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {request.scope['state']['token']}")


@pytest.fixture(params=[False, True], ids=["closed API", "open API"])
async def tool(request: pytest.FixtureRequest) -> AsyncIterator[Tool]:
    routes = [Route("/{path:path}", _answer, methods=["GET", "POST", "DELETE"])]
    guard = Middleware(LocalGuard, token=SECRET, api="/api/", open_api=request.param)
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders), guard])
    stop = asyncio.Event()
    bound = bind_free(0)
    serving = asyncio.create_task(serve_app(app, bound, stop=stop))
    yield Tool(bound.getsockname()[1])
    stop.set()
    await serving


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("127.0.0.1:1", True), ("127.9.9.9", True), ("[::1]:8000", True),
        ("studio.localhost:80", True), ("localhost.", True), ("", False), ("evil.example", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("10.0.0.1", False), ("[::]:80", False),
        ("0.0.0.0", False), ("evil@localhost", False), ("2130706433", False), ("[::ffff:10.0.0.1]", False),
        ("localhost:1@evil.com", False), ("[::1].evil.com", False), ("[::1]evil.com", False), ("[::1", False),
        ("localhost:80:80", False), ("localhost:evil.com", False), ("localhost/evil.com", False), ("::1", False),
        ("localhost:8000\n", False), ("evil.com#localhost", False), ("localhost ", False), ("[localhost]", False),
    ],
)  # fmt: skip
def test_only_names_of_this_machine_are_loopback(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours


async def test_a_rebound_name_is_refused_before_the_page_is_made(tool: Tool) -> None:
    for host in ("evil.example", "localhost:1@evil.com", "[::1].evil.com"):
        status, body, headers = await tool.ask("GET", Host=host, Authorization=f"Bearer {SECRET}")
        assert (status, "GET" in body) == (421, False)
        assert "default-src 'none'" in headers["content-security-policy"]


async def test_every_answer_carries_a_policy_without_inline_code(tool: Tool) -> None:
    for secret in ("wrong", SECRET):
        _, _, headers = await tool.ask("GET", Authorization=f"Bearer {secret}")
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_another_user_of_the_machine_gets_a_page_that_says_it_is_locked_and_nothing_else(tool: Tool) -> None:
    for path in ("/", "/posts/hello", with_token("/", "guess"), "/?token=", "//evil.example/?token=guess"):
        status, body, headers = await tool.ask("GET", path)
        assert status == 401
        assert "This page is locked" in body
        assert "set-cookie" not in headers
    for method in ("POST", "DELETE"):
        assert (await tool.ask(method))[0] == 401
        assert (await tool.ask(method, Authorization="Bearer guess", Cookie="newsletter-1=guess"))[0] == 401
        assert (await tool.ask(method, with_token("/", SECRET)))[0] == 401  # an address opens a page; it does nothing
    for path in ("/", "/api/messages"):
        status, body, _ = await tool.ask("GET", path, Accept="application/json", Sec_Fetch_Site="none")
        assert (status, "Authorization: Bearer" in json.loads(body)["error"]) == (401, True)
    assert (await tool.ask("GET", "/static/base.css"))[0] == 200


async def test_the_owners_browser_is_let_in_by_the_address_and_remembers_it(tool: Tool) -> None:
    status, body, headers = await tool.ask("GET", with_token("/posts/a%22%3Cb%20c?view=text", SECRET))
    assert status == 200
    assert 'content="0;url=/posts/a%22%3Cb%20c?view=text"' in body
    assert SECRET not in body
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert SECRET.partition(" ")[2] not in cookie
    assert (await tool.ask("GET", Cookie=f"other=1; {cookie.partition(';')[0]}"))[0] == 200
    _, body, _ = await tool.ask("GET", with_token("//evil.example/x", SECRET))
    assert 'content="0;url=/evil.example/x"' in body


async def test_a_program_with_the_secret_may_do_all(tool: Tool) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert (await tool.ask(method, "/api/messages", Authorization=f"bearer {SECRET}"))[0] == 200
        assert (await tool.ask(method, Authorization=f"Bearer {SECRET}"))[0] == 200
    assert (await tool.ask("GET", Authorization=f"Basic {SECRET}"))[0] == 401


async def test_a_change_from_a_browser_needs_the_token_of_the_page(tool: Tool) -> None:
    await tool.enter()
    assert (await tool.ask("POST", Cookie=tool.cookie))[0] == 403
    assert (await tool.ask("POST", Cookie=tool.cookie, X_Newsletter_Token="wrong"))[0] == 403
    assert (await tool.ask("POST", Cookie=tool.cookie, X_Newsletter_Token=tool.page_token))[0] == 200
    assert (await tool.ask("POST", X_Newsletter_Token=tool.page_token))[0] == 401


async def test_another_sites_page_may_do_nothing_with_the_owners_cookie(tool: Tool) -> None:
    await tool.enter()
    own = {"Cookie": tool.cookie, "X_Newsletter_Token": tool.page_token}
    port = tool.port
    for origin in ("https://evil.example", "null", f"http://localhost:{port + 1}"):
        assert (await tool.ask("POST", **own, Origin=origin))[0] == 403
        assert (await tool.ask("GET", **own, Origin=origin))[0] == 403
    assert (await tool.ask("POST", **own, Origin=f"http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin"))[0] == 200
    for site in ("cross-site", "same-site"):  # another port of this machine is of the same site
        for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "object")):
            sent = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
            assert (await tool.ask("GET", Cookie=tool.cookie, **sent))[0] == 403
        link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert (await tool.ask("GET", Cookie=tool.cookie, **link))[0] == 200
        assert (await tool.ask("POST", **own, **link))[0] == 403


async def test_an_open_api_is_for_programs_alone(tool: Tool, request: pytest.FixtureRequest) -> None:
    expected = 200 if "open API" in request.node.name and "closed" not in request.node.name else 401
    assert (await tool.ask("DELETE", "/api/messages"))[0] == expected
    assert (await tool.ask("DELETE", "/messages"))[0] == 401
    assert (await tool.ask("GET", "/"))[0] == 401
    assert (await tool.ask("DELETE", "/api/messages", Origin=f"http://127.0.0.1:{tool.port}"))[0] == 401
    assert (await tool.ask("DELETE", "/api/messages", Sec_Fetch_Site="same-site"))[0] == 401


def test_the_secret_is_kept_for_its_owner_and_is_the_same_next_time(tmp_path: Path) -> None:
    folder = tmp_path / ".newsletter"
    token = load_token(folder)
    assert len(token) >= 32
    assert load_token(folder) == token
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "page-token").stat().st_mode & 0o777 == 0o600
    (folder / "page-token").chmod(0o644)
    with pytest.raises(NewsletterError, match="other users can read"):
        load_token(folder)


def test_the_browser_is_given_a_file_so_that_no_list_of_processes_shows_the_secret(tmp_path: Path) -> None:
    with door(tmp_path / ".newsletter", "http://localhost:1/?a=1&token=x") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert 'content="0;url=http://localhost:1/?a=1&amp;token=x"' in path.read_text()
    assert not path.exists()


def test_a_mails_policy_lets_no_script_in_and_remote_images_only_when_asked() -> None:
    assert "script-src" not in mail_policy(remote_images=True)
    assert "allow-scripts" not in mail_policy(remote_images=True)
    assert "allow-same-origin" not in mail_policy(remote_images=True)
