"""Guard the local tools, preview and test inbox: they serve their owner, not whoever asks on loopback.

Another user of the machine reaches a loopback port, another site's page reaches it through the owner's browser, and a
name on the internet may point at it (DNS rebinding). So: only loopback names are served; the address that the command
opens carries a secret, which becomes a cookie (SameSite=Strict, HttpOnly; RFC 6265bis); programs send it as
`Authorization: Bearer` (RFC 6750). A cookie knows no port, so what comes with it must come from a page of ours (Fetch
Metadata), and a change needs the token in that page. Where the secret is kept is in `local_token`; what every response
says is in `security`.
"""

import errno
import hashlib
import hmac
import ipaddress
import re
import socket
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from newsletter.errors import NewsletterError
from newsletter.web.pages import fragment
from newsletter.web.security import SAFE_METHODS

LOOPBACK = "127.0.0.1"
TRIES = 50
"""Ports looked at, from the one asked for upward."""
PAGE_TOKEN_HEADER = "X-Newsletter-Token"  # noqa: S105 (a header's name)
PARAMETER = "token"
"""The query parameter of the address that is opened."""
OPEN_PATHS = ("/static/", "/livez", "/readyz")
"""What holds nothing of anybody's: the locked page needs its style sheet, a container's probe its answer."""

_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\Z", re.IGNORECASE)


def bind_free(port: int, host: str = LOOPBACK, tries: int = TRIES) -> socket.socket:
    """A listening-ready socket on `port`, or on the next free one above it; 0 means any.

    Raises NewsletterError when none of `tries` ports is free or the port can't be had.
    """
    for candidate in range(port, min(port + tries, 65536)) if port else (0,):
        bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, candidate))
            bound.listen(128)
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE:
                raise NewsletterError(f"port {candidate} can't be used: {error.strerror}; try another --port") from None
        else:
            return bound
    taken = f"port {port} is taken" if tries == 1 else f"no free port from {port} to {port + tries - 1}"
    raise NewsletterError(f"{taken}; name another with --port")


def is_loopback(host: str) -> bool:
    """Does a Host header's value (`name`, `name:port`, `[::1]:port`) name this machine and nothing else?"""
    match = _HOST.match(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LocalGuard:
    """ASGI middleware for a tool that its owner alone may use, whoever else reaches its port.

    `token` is the secret; `api` the paths under which refusals are JSON, and, with `open_api`, programs need no secret
    (what a browser sends is told by its Origin and Sec-Fetch-Site fields). `scope["state"]["token"]` is for the pages:
    they send it back as X-Newsletter-Token when they change something.
    """

    def __init__(
        self, app: ASGIApp, token: str, *, api: str | tuple[str, ...] = "/api/", open_api: bool = False
    ) -> None:
        self.app = app
        self.api, self.open_api = api, open_api
        self._token = token.encode()
        self._cookie, self._page_token = self._derive("cookie"), self._derive("page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = self._page_token
        await (self._answer(scope, Headers(scope=scope)) or self.app)(scope, receive, send)

    def _derive(self, use: str) -> str:
        """What is made from the secret: it stays the same for open pages when the command is started again."""
        return hmac.new(self._token, use.encode(), hashlib.sha256).hexdigest()

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """The guard's own answer, or None to let the request through."""
        host, path = headers.get("host", ""), scope["path"]
        safe = scope["method"] in SAFE_METHODS
        if not is_loopback(host):
            words = "this page answers to localhost only; open it by the address that the command printed"
            return self._refuse(421, words, path)
        if safe and path.startswith(OPEN_PATHS):
            return None
        if (given := _parameter(scope)) is not None and safe and not path.startswith(self.api):
            return self._enter(scope, path) if _same(given, self._token) else self._locked(path, headers)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), self._token):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if self.open_api and path.startswith(self.api) and origin is None and site is None:
            return None
        if not _same(_cookie(headers, self._cookie_name(scope)), self._cookie.encode()):
            return self._locked(path, headers)
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return self._refuse(403, "a page of another origin may not use this one; open it by its address", path)
        if site not in {None, "same-origin", "none"} and not (safe and _is_navigation(headers)):
            return self._refuse(403, "another site may not use this page; open it by its address", path)
        if not safe and not _same(headers.get(PAGE_TOKEN_HEADER, ""), self._page_token.encode()):
            return self._refuse(403, f"{PAGE_TOKEN_HEADER} is missing or of another newsletter; reload the page", path)
        return None

    def _enter(self, scope: Scope, path: str) -> Response:
        """Set the cookie, then go to the same address without the secret.

        By the page's own doing, not by a redirect: a browser that was led here from elsewhere (the file that opens it,
        a link in a terminal) would leave a Strict cookie out of a redirect.
        """
        kept = [(name, value) for name, value in _query(scope) if name != PARAMETER]
        target = quote("/" + path.lstrip("/"), safe="/~") + (f"?{urlencode(kept)}" if kept else "")
        answer = HTMLResponse(fragment("entering.html", {"target": target}))
        answer.set_cookie(self._cookie_name(scope), self._cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _cookie_name(self, scope: Scope) -> str:
        """One for each port: the tools of two newsletters may run at once."""
        return f"newsletter-{(scope.get('server') or ('', 0))[1]}"

    def _locked(self, path: str, headers: Headers) -> Response:
        if path.startswith(self.api) or headers.get("accept", "").startswith("application/json"):
            error = (
                "this needs the secret of the address that the command printed; "
                "send it as `Authorization: Bearer SECRET`"
            )
            return JSONResponse({"error": error}, 401, {"WWW-Authenticate": "Bearer"})
        return HTMLResponse(fragment("locked.html", {}), 401, {"WWW-Authenticate": "Bearer"})

    def _refuse(self, status: int, words: str, path: str) -> Response:
        if path.startswith(self.api):
            return JSONResponse({"error": words}, status)
        return PlainTextResponse(f"{words[0].upper()}{words[1:]}.\n", status)


def _same(given: str, wanted: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted)


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []


def _parameter(scope: Scope) -> str | None:
    return next((value for name, value in _query(scope) if name == PARAMETER), None)


def _cookie(headers: Headers, name: str) -> str:
    for pair in "; ".join(headers.getlist("cookie")).split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


def _is_navigation(headers: Headers) -> bool:
    """A link that was followed from elsewhere on this machine: it shows a page, and changes nothing."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
