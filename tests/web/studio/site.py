"""A small newsletter on disk, and its studio served on a free port, for the tests of the preview."""

import asyncio
import base64
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.config.settings import load_config
from newsletter.web.studio.app import serve_preview

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"
[unsubscribe]
mailto = "unsubscribe@example.org"
"""
OAKS = """\
---
title: Who planted the oaks?
subtitle: A short letter about long patience, and about the people who had it before us.
date: 2026-06-01
image: /posts/pixel.png
image_alt: A dot
---

Somebody *did*.

{filler}

## The last words

Goodbye.
"""
FILLER = "\n\n".join(
    f"Paragraph {number}: acorns fall, jays bury them, and forget one in three." for number in range(40)
)
DRAFT = "---\ntitle: Not ready yet\ndraft: true\n---\n\nSoon.\n"
LETTER = "---\ntitle: An older letter\ndate: 2026-01-02\nlayout: letter\n---\n\nDear reader, hello.\n"
LIST = """\
email,name,city
margaret@example.org,Margaret Okafor,Lyon
zoe@example.net,Zoë Brontë,Salamanca
layla@example.net,ليلى حدّاد,Beirut
"""


@dataclass
class StudioSite:
    """The folder of a newsletter, and the address of its studio."""

    root: Path
    url: str = ""
    entry: str = ""  # the address with the secret in it, as the command prints it

    @property
    def token(self) -> str:
        return self.entry.rpartition("token=")[2]

    @property
    def post(self) -> Path:
        return self.root / "posts/2026-06-01-oaks.md"

    def write(self, body: str = "Somebody *did*.") -> None:
        """Save the post with another first paragraph."""
        self.post.write_text(OAKS.replace("Somebody *did*.", body).format(filler=FILLER), encoding="utf-8")

    @property
    def secret(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(
        self, path: str, method: str = "GET", json_body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request of a program that has the secret: status, headers in lower case, body. Other `headers`, even
        none of them (`Accept="*/*"`), are sent as they are, without the secret."""

        def asking() -> tuple[int, dict[str, str], bytes]:
            host = self.url.split("/")[2]
            connection = http.client.HTTPConnection(host.replace("localhost", "127.0.0.1"), timeout=60)
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            sent = sent or self.secret
            body = None if json_body is None else json.dumps(json_body)
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            answer = (response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            connection.close()
            return answer

        return await asyncio.to_thread(asking)

    async def ask_until(self, status: int, path: str) -> bytes:
        """Ask until the answer has this status, as it will once a save is noticed: its body."""
        async with asyncio.timeout(120):
            while True:
                answer = await self.ask(path)
                if answer[0] == status:
                    return answer[2]
                await asyncio.sleep(0.05)


def make_site(root: Path, smtp: str = "smtp://localhost:1") -> StudioSite:
    """Write the newsletter into `root`."""
    (root / "posts").mkdir(parents=True)
    (root / "newsletter.toml").write_text(f'{CONFIG}[smtp]\nurl = "{smtp}"\n', encoding="utf-8")
    (root / "subscribers.csv").write_text(LIST, encoding="utf-8")
    (root / "posts/not-ready.md").write_text(DRAFT, encoding="utf-8")
    (root / "posts/2026-01-02-older.md").write_text(LETTER, encoding="utf-8")
    (root / "posts/pixel.png").write_bytes(PIXEL)
    site = StudioSite(root)
    site.write()
    return site


@asynccontextmanager
async def running(site: StudioSite, post: Path | None = None) -> AsyncIterator[StudioSite]:
    """The studio of `site`, served until the end."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = load_config(site.root / "newsletter.toml")
    serving = asyncio.create_task(
        serve_preview(config, post, port=0, browser=False, on_ready=ready.set_result, stop=stop)
    )
    begun: set[asyncio.Future[Any]] = {serving, ready}
    await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    site.entry = ready.result()
    site.url = "/".join(site.entry.split("/")[:3]) + "/"
    try:
        yield site
    finally:
        stop.set()
        await serving
