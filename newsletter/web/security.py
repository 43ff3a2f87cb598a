"""Guard the local pages: preview and test inbox trust nobody but the browser window that they opened.

Against DNS rebinding only loopback names are served; against other sites' scripts and forms a change needs this
session's token (in the page's `newsletter-token` meta tag, sent back as X-Newsletter-Token) and an Origin of our own.
Every response carries a strict policy (CSP level 3) unless its handler gave one. Pure ASGI: streams pass unbuffered.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "X-Newsletter-Token"  # noqa: S105 (a header's name)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    )
)
"""For our own pages: no inline script, no inline style, nothing from elsewhere."""

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def mail_policy(*, remote_images: bool, images: bool = True, measured: bool = False) -> str:
    """The policy of a framed mail: styles and images alone, no script, no form, no frame.

    Sandboxed even when opened by itself in a tab. `remote_images` lets http and https ones in. `measured` keeps the
    document in our origin, so that the page around it may ask for its height; with no script in it, it gains nothing.
    """
    sources = "'none'" if not images else "'self' data: https: http:" if remote_images else "'self' data:"
    fonts = "https: data:" if remote_images else "data:"
    return (
        f"default-src 'none'; img-src {sources}; style-src 'unsafe-inline'; font-src {fonts}; media-src 'none'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
        f"sandbox allow-popups allow-popups-to-escape-sandbox{' allow-same-origin' if measured else ''}"
    )


def new_token() -> str:
    """A token for one run of a server."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Does a Host header's value (`name`, `name:port`, `[::1]:port`) name this machine and nothing else?"""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """ASGI middleware for a page that only this machine may see.

    `token` is put into `scope["state"]["token"]` for templates. Under `program_paths` a request that no browser made
    (neither Origin nor Sec-Fetch-Site) needs no token, so that people's tests can use an API.
    """

    def __init__(self, app: ASGIApp, token: str, program_paths: Sequence[str] = ()) -> None:
        self.app = app
        self.token = token
        self.program_paths = tuple(program_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = self.token

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        app = PlainTextResponse(refusal[1] + "\n", refusal[0]) if refusal else self.app
        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, or None to go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_loopback(host):
            return 421, "This page answers to localhost only; open it by the address that the command printed."
        if scope["method"] in SAFE_METHODS:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return 403, "A page of another origin may not change anything here."
        if site not in {None, "same-origin", "none"}:
            return 403, "Another site may not change anything here."
        if origin is None and site is None and scope["path"].startswith(self.program_paths):
            return None
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return 403, f"{TOKEN_HEADER} is missing or of another run; reload the page."
        return None
