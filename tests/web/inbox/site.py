"""A test inbox that really runs: SMTP server, store, page; and mail to put into it."""

import asyncio
import contextlib
import json
import smtplib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from newsletter.config.settings import Config
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from newsletter.site.site import Site as NewsletterSite
from newsletter.web.inbox.app import inbox_app
from newsletter.web.local import bind_free
from newsletter.web.local_token import with_token
from newsletter.web.server import serve_app

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)
HTML = """<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8"><title>Oaks</title>
<meta name="color-scheme" content="light dark">
<style>p{color:#111}@media (prefers-color-scheme: dark){body{background:#101010;color:#eee}p{color:#eee}}</style></head>
<body><h1>Who planted the oaks?</h1><p>Jays did. <a href="https://example.org/oaks">Read on</a></p>
<img id="own" src="cid:pic@example.org" alt="A jay" width="10" height="10">
<img id="far" src="REMOTE/pixel.png" alt="" width="10" height="10">
<script>parent.document.title = "owned"; document.title = "owned"</script>
<form action="https://example.com/"><input name="q"></form></body></html>"""


@dataclass(slots=True)
class Site:
    store: Store
    server: InboxServer
    url: str  # of the page, with a slash at its end
    token: str

    @property
    def entry(self) -> str:
        """The address with the secret in it, as the command prints it."""
        return with_token(self.url, self.token)

    async def mail(self, *messages: EmailMessage | bytes) -> None:
        """Send by SMTP, from another thread, as any program would."""

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", self.server.port) as client:
                for message in messages:
                    raw = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
                    client.sendmail("bounces@example.org", ["ben@example.org"], raw)

        await asyncio.to_thread(send)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON where it is) and headers, as a program gets them that has the secret."""

        def request() -> tuple[int, Any, dict[str, str]]:
            data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            sent = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
            asked = urllib.request.Request(self.url + path.lstrip("/"), data, sent, method=method)
            try:
                answer = urllib.request.urlopen(asked, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content = answer.read()
                is_json = "json" in answer.headers.get("Content-Type", "")
                return (
                    answer.status,
                    json.loads(content) if is_json else content,
                    {name.title(): value for name, value in answer.headers.items()},
                )

        return await asyncio.to_thread(request)


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    limit: int = 1000,
    *,
    open_api: bool = False,
    site: NewsletterSite | None = None,
    config: Config | None = None,
) -> AsyncIterator[Site]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    with Store(folder, limit=limit) as store:
        async with InboxServer(store) as server:
            app = inbox_app(store, server, token="the-token", open_api=open_api, site=site, config=config)
            serving = asyncio.create_task(
                serve_app(app, bind_free(0), on_ready=ready.set_result, on_stop=app.state.close, stop=stop)
            )
            try:
                yield Site(store, server, await ready, "the-token")
            finally:
                stop.set()
                await serving


def plain(subject: str, text: str = "Acorns, mostly.", sender: str = "Ada Moreau <ada@example.org>") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "Ben <ben@example.org>", subject
    message.set_content(text)
    return message


def rich(subject: str = "Who planted the oaks?", remote: str = "https://example.com") -> EmailMessage:
    """Text, HTML with a picture inside and one elsewhere, a script, a form, and an attachment."""
    message = plain(subject, "Jays did.")
    message.add_alternative(HTML.replace("REMOTE", remote), subtype="html")
    html = message.get_body(("html",))
    assert html is not None
    html.add_related(PIXEL, "image", "png", cid="<pic@example.org>", filename="jay.png")
    message.add_attachment(b"%PDF-1.4 acorns", maintype="application", subtype="pdf", filename="Größe.pdf")
    return message
