"""The public pages on a real port, as a test asks for them."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from newsletter.audience.address import address_key
from newsletter.audience.events import events_of
from newsletter.audience.notices import Notice, next_due, settle
from newsletter.audience.token import make_token
from newsletter.config.settings import load_config
from newsletter.feedback.webhooks.providers import ReadPosted
from newsletter.web.local import bind_free
from newsletter.web.public.app import public_app
from newsletter.web.public.context import Public
from newsletter.web.server import serve_app

ADA = "ada@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"
color = "#1f6659"
background = "#f5f1e8"
{newsletter}
[unsubscribe]
url = "https://news.example.org{path}"
[subscribers]
source = "{source}"
{subscribers}
"""
LIST = "email,name,city,tags\nada@example.org,Ada Moreau,Lyon,essays\ngrace@example.net,Grace,Leeds,\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass
class Site:
    """A running server; `now` is its clock."""

    public: Public
    port: int
    folder: Path
    path: str = ""
    now: list[float] = field(default_factory=lambda: [1_800_000_000.0])

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}{self.path}"

    def token(self, kind: str, email: str, issue: str = "hello") -> str:
        return make_token(self.public.secret, kind, email, issue)

    async def ask(
        self, method: str, path: str, body: bytes | None = None, bare: bool = False, /, **headers: str
    ) -> Answer:
        def ask() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path if bare else self.path + path, body, names)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read().decode())
            connection.close()
            return answer

        return await asyncio.to_thread(ask)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, None, False, **headers)

    async def post(
        self, path: str, form: dict[str, str] | list[tuple[str, str]] | None = None, **headers: str
    ) -> Answer:
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, urlencode(form or {}).encode(), False, **{**kind, **headers})

    async def post_json(self, path: str, value: object, **headers: str) -> Answer:
        return await self.ask(
            "POST", path, json.dumps(value).encode(), False, Content_Type="application/json", **headers
        )


@asynccontextmanager
async def public_site(
    folder: Path, *, source: str = "subscribers.csv", path: str = "", newsletter: str = "", subscribers: str = "",
    proxy_headers: bool = False, known: dict[str, ReadPosted] | None = None, state: str = "sqlite:///newsletter.db",
) -> AsyncIterator[Site]:  # fmt: skip
    """Serve a newsletter of two subscribers while the block runs."""
    (folder / "newsletter.toml").write_text(
        CONFIG.format(path=path, source=source, newsletter=newsletter, subscribers=subscribers)
        + f'[state]\nurl = "{state}"\n'
    )
    if source != "database" and not (folder / source).exists():
        (folder / source).write_text(LIST)
    config = load_config(folder / "newsletter.toml")
    opened = Public.open(config)
    now = [1_800_000_000.0]
    public = Public(config, opened.engine, opened.roster, opened.secret, clock=lambda: now[0])
    bound = bind_free(0)
    stop, ready = asyncio.Event(), asyncio.Event()
    app = public_app(public, proxy_headers=proxy_headers, known=known)
    serving = asyncio.ensure_future(serve_app(app, bound, on_ready=lambda _: ready.set(), stop=stop))
    await ready.wait()
    try:
        yield Site(public, bound.getsockname()[1], folder, path, now)
    finally:
        stop.set()
        await serving
        public.engine.dispose()


def owed(site: Site) -> list[Notice]:
    """The mails that are owed, oldest first; reading them settles them."""
    found = []
    while notice := next_due(site.public.engine, site.now[0]):
        found.append(notice)
        settle(site.public.engine, notice, "sent", "")
    return found


def kinds(site: Site, email: str = ADA) -> list[str]:
    """What the record says happened to a person, in order."""
    return [event.kind for event in events_of(site.public.engine, address_key(email))]
