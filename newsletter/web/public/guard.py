"""Who may ask the public pages for what: the hosts that they answer to, the path they stand under, what a proxy says.

ASGI middleware. `/health` is answered whoever asks; other hosts than ours get 421 (RFC 9110 section 15.5.20), so that
no page can be had under a name that is not the newsletter's.
"""

import ipaddress
import logging
import re
import time
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.web.local import is_loopback
from newsletter.web.metrics import TEXT_FORMAT, Metrics

HEALTH, METRICS = "/health", "/metrics"
access = logging.getLogger("newsletter.access")
"""One line a request, without address, token or query: method, kind of page, status, milliseconds."""


class PublicGuard:
    """The outermost of the public pages; `base` is their public address."""

    def __init__(self, app: ASGIApp, base: str, *, proxy_headers: bool, metrics: Metrics | None = None) -> None:
        parts = urlsplit(base)
        self.app = app
        self.prefix = parts.path.rstrip("/")
        self.host = (parts.hostname or "").lower()
        self.secure = parts.scheme == "https"
        self.proxy_headers = proxy_headers
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        path = scope["path"]

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.secure:
                    MutableHeaders(scope=message)["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._answer(path)(self._scope(scope), receive, send_counted)
        took, kind = time.perf_counter() - began, kind_of_page(path, self.prefix)
        access.info("%s %s %d %.1f", scope["method"], kind, status, took * 1000)
        if self.metrics is not None:
            self.metrics.answered(kind, scope["method"], status, took)

    def _answer(self, path: str) -> ASGIApp:
        if path in (HEALTH, self.prefix + HEALTH):
            return PlainTextResponse("ok\n")
        if path in (METRICS, self.prefix + METRICS):
            return self._for_monitoring
        return self._for_host

    async def _for_monitoring(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To whoever asks on this machine, not by way of the proxy: how many left is nobody else's business."""
        headers = Headers(scope=scope)
        answer = PlainTextResponse("Not found\n", 404)
        if is_loopback(headers.get("host", "")) and "x-forwarded-for" not in headers:
            answer = PlainTextResponse("Metrics need newsletter-press[metrics].\n", 404)
            if self.metrics is not None:
                answer = PlainTextResponse(await run_in_threadpool(self.metrics.text), media_type=TEXT_FORMAT)
        await answer(scope, receive, send)

    async def _for_host(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        if not (is_loopback(host) or _name(host) == self.host):
            await PlainTextResponse("This newsletter is not served under this name.\n", 421)(scope, receive, send)
        elif self.prefix and not f"{scope['path']}/".startswith(self.prefix + "/"):
            await PlainTextResponse("Not found\n", 404)(scope, receive, send)
        else:
            scheme = "https" if self.secure and _name(host) == self.host else scope["scheme"]  # of redirects
            await self.app({**scope, "root_path": self.prefix, "scheme": scheme}, receive, send)

    def _scope(self, scope: Scope) -> Scope:
        """With the network of the visitor in its state: the last that the proxy in front of us has seen."""
        client = scope["client"][0] if scope.get("client") else ""
        if self.proxy_headers:
            seen = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))  # some proxies add a line of their own
            client = seen.rpartition(",")[2].strip() or client
        return {**scope, "state": {**scope.get("state", {}), "network": network_of(client)}}


def network_of(client: str) -> str:
    """The network that an address is counted under and kept as: a /24, or a /56 of IPv6; empty where it is none.

    Some proxies write the port behind it: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
    """
    bare = re.sub(r"^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$", r"\1\2", client)
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False))


def kind_of_page(path: str, prefix: str) -> str:
    """The path without what stands for a person: `/u/…` for every unsubscribe page."""
    first = path.removeprefix(prefix).split("/")[1:2]
    known = first and first[0] in (
        "u",
        "p",
        "c",
        "v",
        "subscribe",
        "issues",
        "static",
        "health",
        "metrics",
        "webhooks",
        "feed.xml",
    )
    return f"/{first[0]}" if known else "/" if first in ([], [""]) else "/…"


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or "" if host.isascii() and "/" not in host and "@" not in host else ""
