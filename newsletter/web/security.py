"""What every page of ours, local or public, says to browsers: a strict policy (CSP level 3), no sniffing, no referrer.

Pages have no inline script and fetch nothing from elsewhere; a framed mail has a policy of its own. Who may ask is
decided elsewhere: for the local tools in `local`. Pure ASGI: streams pass unbuffered.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",  # else Chromium looks up the names in the links of a mail
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def mail_policy(*, remote_images: bool, images: bool = True, measured: bool = False) -> str:
    """The policy of a framed mail: styles and images alone, no script, no form, no frame.

    Sandboxed even when opened by itself in a tab. `remote_images` lets http and https ones in. `measured` keeps the
    document in our origin, so that the page around it may ask for its height, and lets our own pictures in; with no
    script in it, it gains nothing. What reaches the network before a policy is asked is taken out by `inert`.
    """
    own = "'self' data:" if measured else "data:"
    sources = "'none'" if not images else f"{own} https: http:" if remote_images else own
    fonts = "https: data:" if remote_images else "data:"
    return (
        f"default-src 'none'; img-src {sources}; style-src 'unsafe-inline'; font-src {fonts}; media-src 'none'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
        f"sandbox allow-popups allow-popups-to-escape-sandbox{' allow-same-origin' if measured else ''}"
    )


class SecurityHeaders:
    """ASGI middleware: every response carries `HEADERS`, but for those that its handler has set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded)
