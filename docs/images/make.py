"""Take the README's pictures: each sample mail on a desk and in a pocket, light and dark, and the studio.

Run `python docs/images/make.py` after a change to the templates; it needs an installed Chromium (CHROMIUM names another
than /usr/bin/chromium). The mails are those that `newsletter render` prints.
"""

import base64
import os
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import Composer
from newsletter.compose.message.writer import MessageWriter
from newsletter.config.settings import Config, load_config
from newsletter.web.local_token import load_token, with_token
from newsletter.web.studio.app import Studio
from newsletter.web.studio.export import serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
READER = Subscriber("margaret@example.org", "Margaret", {"city": "Lyon"})
LIMIT = 200 * 1024

# name: post, height of the desk's window, height of the phone's
PICTURES = {
    "mail-post": ("2026-05-04-hello-from-the-long-view.md", 1120, 812),
    "mail-letter": ("2026-08-03-a-letter-from-the-attic.md", 640, 700),
}

STAGE = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; background: #dfe3dd; display: inline-block; }
.stage { display: flex; align-items: center; gap: 36px; padding: 48px; }
.pair { position: relative; display: flex; align-items: flex-end; }
.desk, .phone { overflow: hidden; box-shadow: 0 18px 50px rgba(20, 34, 30, .28); }
.desk { border-radius: 12px; }
.bar { height: 34px; background: #ecebe7; display: flex; align-items: center; gap: 8px; padding: 0 14px; }
.dark .bar { background: #2b2b2e; }
.bar i { width: 11px; height: 11px; border-radius: 6px; background: #c9c6bf; }
.dark .bar i { background: #55555a; }
.phone { border: 9px solid #26292b; border-radius: 38px; margin-left: -92px; margin-bottom: -22px; }
img { display: block; }
</style><div class="stage">%s</div>"""


def html_of(post: str, config: Config) -> str:
    """The HTML part that READER gets of posts/`post`, its pictures read from this checkout."""
    composer = Composer(config)
    issue = composer.compose(composer.read(ROOT / "posts" / post)).issue
    html = MessageWriter(issue, b"a secret for pictures alone").decoded(READER).html
    return html.replace(f'src="{config.newsletter.url}/', f'src="file://{ROOT}/')


def shoot(browser: Browser, html: str, width: int, height: int, scheme: str, out: Path) -> None:
    """The top `height` pixels of a mail in a window of `width` pixels, `scheme` light or dark."""
    source = out.with_suffix(".html")
    source.write_text(html, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(source.as_uri())
    page.screenshot(path=out)
    context.close()


def data(path: Path) -> str:
    """A PNG as a data: URL."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def stage(browser: Browser, shots: dict[str, Path], out: Path) -> None:
    """Put the four shots into windows and phones and write one picture of at most LIMIT bytes."""
    pairs = "".join(
        f'<div class="pair {scheme}"><div class="desk"><div class="bar"><i></i><i></i><i></i></div>'
        f'<img src="{data(shots[f"desk-{scheme}"])}"></div>'
        f'<div class="phone"><img width="262" src="{data(shots[f"phone-{scheme}"])}"></div></div>'
        for scheme in ("light", "dark")
    )
    for scale in (0.9, 0.8, 0.7, 0.65, 0.6, 0.55, 0.5):
        context = browser.new_context(viewport={"width": 2000, "height": 800}, device_scale_factor=scale)
        page = context.new_page()
        page.set_content(STAGE % pairs)
        page.locator("body").screenshot(path=out)
        context.close()
        if out.stat().st_size <= LIMIT:
            return


def studio(browser: Browser, config: Config, out: Path) -> None:
    """The preview studio on a post with a picture, as it is once all is warm."""
    running, token = Studio(config), load_token(config.state_dir)
    with serving(running, token) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(with_token(address, token))
        for post in ("hello-from-the-long-view", "who-planted-the-oaks"):
            page.wait_for_selector(".findings-counts")
            page.goto(f"{address}posts/{post}")
        page.wait_for_selector(".findings-counts")
        page.screenshot(path=out)
        page.close()


def main() -> None:
    """Write every picture."""
    config = load_config(ROOT / "newsletter.toml")
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        )
        for name, (post, desk, phone) in PICTURES.items():
            html = html_of(post, config)
            shots = {}
            for scheme in ("light", "dark"):
                for kind, width, height in (("desk", 784, desk), ("phone", 375, phone)):
                    shots[f"{kind}-{scheme}"] = HERE / f"{name}-{kind}-{scheme}.tmp.png"
                    shoot(browser, html, width, height, scheme, shots[f"{kind}-{scheme}"])
            stage(browser, shots, HERE / f"{name}.png")
            for path in HERE.glob(f"{name}-*.tmp.*"):
                path.unlink()
            print(f"{name}.png: {(HERE / f'{name}.png').stat().st_size // 1024} KB")
        studio(browser, config, HERE / "studio.png")
        browser.close()


if __name__ == "__main__":
    main()
