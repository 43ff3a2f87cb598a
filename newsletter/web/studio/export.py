"""Write pictures of a post's mail, for a pull request or a colleague: phone, desktop, light, dark, inbox rows.

The studio itself serves what is photographed, on a free port for as long as it takes; the browser is `chromium`'s.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.web.local import bind_free
from newsletter.web.local_token import load_token, with_token
from newsletter.web.server import serve_app
from newsletter.web.studio.app import Studio, studio_app
from newsletter.web.studio.chromium import browser, find_chromium

WIDTHS = (375, 800)
SCHEMES = ("light", "dark")
ROWS_WIDTH = 900


def export_pngs(config: Config, post: Path, out_dir: Path) -> list[Path]:
    """Write `<slug>-<width>-<scheme>.png` and `<slug>-inbox-<scheme>.png` into `out_dir`, made if need be.

    Raises NewsletterError where there is no Chromium, the post can't be rendered or the folder can't be written.
    """
    find_chromium()
    studio = Studio(config)
    key = studio.renderer.key_of(post)
    rendered = studio.renderer.render(key)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NewsletterError(f"can't be made: {error.strerror}; name another folder", path=out_dir) from None
    written = []
    name = file_name(rendered.post.slug)
    token = load_token(config.state_dir)
    with serving(studio, token) as address, browser() as page:
        page.visit(with_token(address, token))
        for scheme in SCHEMES:
            for width in WIDTHS:
                url = f"{address}mail/{quote(key)}?theme={scheme}"
                png = page.photograph(url, width, scheme=scheme)
                written.append(_write(out_dir / f"{name}-{width}-{scheme}.png", png))
            url = f"{address}rows/{quote(key)}?theme={scheme}"
            png = page.photograph(url, ROWS_WIDTH, scheme=scheme, within="main")
            written.append(_write(out_dir / f"{name}-inbox-{scheme}.png", png))
    return written


def file_name(slug: str) -> str:
    """The slug as the beginning of a file's name, and nothing that leads out of its folder."""
    return "".join(mark if mark.isalnum() or mark in "-_." else "-" for mark in slug).strip(".-")[:100] or "post"


def _write(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise NewsletterError(f"can't be written: {error.strerror}; name another folder", path=path) from None
    return path


@contextmanager
def serving(studio: Studio, token: str) -> Iterator[str]:
    """The studio's address, served from a thread of its own."""
    bound = bind_free(0)
    ready = threading.Event()
    address: list[str] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def on_ready(url: str) -> None:
        address.append(url)
        ready.set()

    app = studio_app(studio, token, watching=False)
    serving = serve_app(app, bound, on_ready=on_ready, on_stop=studio.events.close, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
