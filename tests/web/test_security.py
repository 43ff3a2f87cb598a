"""The guard of the local pages, asked over a real socket."""

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from newsletter.web.security import LocalOnly, is_loopback, mail_policy
from newsletter.web.server import bind_free, serve_app


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} done")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    routes = [Route("/{path:path}", _answer, methods=["GET", "POST", "DELETE"])]
    app = Starlette(routes=routes, middleware=[Middleware(LocalOnly, token="right", program_paths=("/api/",))])
    stop = asyncio.Event()
    bound = bind_free(0)
    serving = asyncio.create_task(serve_app(app, bound, stop=stop))
    yield bound.getsockname()[1]
    stop.set()
    await serving


async def _ask(port: int, method: str, path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
    def ask() -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body, {name.lower(): value for name, value in response.getheaders()}

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("127.0.0.1:1", True), ("127.9.9.9", True), ("[::1]:8000", True),
        ("studio.localhost:80", True), ("localhost.", True), ("", False), ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False), ("10.0.0.1", False), ("[::]:80", False), ("0.0.0.0", False),
        ("evil@localhost", False),
        ("2130706433", False), ("[::ffff:10.0.0.1]", False),
    ],
)  # fmt: skip
def test_only_names_of_this_machine_are_loopback(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours


async def test_a_rebound_name_is_refused_before_the_page_is_made(port: int) -> None:
    status, body, headers = await _ask(port, "GET", Host="evil.example")
    assert status == 421
    assert "done" not in body
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_every_answer_carries_a_policy_without_inline_code(port: int) -> None:
    status, _, headers = await _ask(port, "GET")
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_a_change_needs_the_token_of_this_run(port: int) -> None:
    assert (await _ask(port, "POST"))[0] == 403
    assert (await _ask(port, "POST", X_Newsletter_Token="wrong"))[0] == 403
    assert (await _ask(port, "POST", X_Newsletter_Token="right"))[0] == 200


async def test_a_foreign_origin_may_not_change_anything_even_with_the_token(port: int) -> None:
    assert (await _ask(port, "POST", X_Newsletter_Token="right", Origin="https://evil.example"))[0] == 403
    assert (await _ask(port, "POST", X_Newsletter_Token="right", Origin="null"))[0] == 403
    assert (await _ask(port, "POST", X_Newsletter_Token="right", Origin=f"http://localhost:{port + 1}"))[0] == 403
    assert (await _ask(port, "POST", X_Newsletter_Token="right", Origin=f"http://127.0.0.1:{port}"))[0] == 200
    assert (await _ask(port, "POST", X_Newsletter_Token="right", Sec_Fetch_Site="cross-site"))[0] == 403


async def test_a_program_may_change_the_api_without_a_token_and_a_browser_may_not(port: int) -> None:
    assert (await _ask(port, "DELETE", "/api/messages"))[0] == 200
    assert (await _ask(port, "DELETE", "/messages"))[0] == 403
    assert (await _ask(port, "DELETE", "/api/messages", Origin=f"http://127.0.0.1:{port}"))[0] == 403
    assert (await _ask(port, "DELETE", "/api/messages", Sec_Fetch_Site="same-site"))[0] == 403


def test_a_mails_policy_lets_no_script_in_and_remote_images_only_when_asked() -> None:
    assert "script-src" not in mail_policy(remote_images=True)
    assert "allow-scripts" not in mail_policy(remote_images=True)
    assert "allow-same-origin" not in mail_policy(remote_images=True)
    assert "https:" in mail_policy(remote_images=True)
    assert "http" not in mail_policy(remote_images=False)
    assert "img-src 'none'" in mail_policy(remote_images=True, images=False)


def test_a_taken_port_gives_way_to_the_next_free_one() -> None:
    with bind_free(0) as first:
        taken = first.getsockname()[1]
        with bind_free(taken) as second:
            assert isinstance(second, socket.socket)
            assert second.getsockname()[1] > taken
