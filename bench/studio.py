"""How long a save takes to show in the preview studio: from the write of the file to the page that shows it.

The sample newsletter is copied, its studio runs, and its page is open in Chromium. For each kind of file, a word,
colour or name in it is changed 20 times; a script in the page looks at every frame whether the new one is there. Both
times are of this machine's clock. Prints the median and the slowest, in milliseconds, as Markdown.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page, async_playwright

from newsletter.config.settings import load_config
from newsletter.web.studio.app import serve_preview

HERE = Path(__file__).resolve().parent.parent
POST = "posts/2026-06-01-who-planted-the-oaks.md"
SAVES = 20
GOAL_MS = 150
MAIL = "document.querySelector('.mail-frame:not(.incoming)').contentDocument"
WATCH = """expression => new Promise(done => {
    const shown = new Function(`try { return ${expression}; } catch { return false; }`);
    const look = () => shown() ? done(performance.timeOrigin + performance.now()) : requestAnimationFrame(look);
    look();
})"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def kinds(root: Path) -> dict[str, tuple[Path, Callable[[str, int], str], Callable[[int], str]]]:
    """Kind of file: the file, what its text becomes at save n, and what is then true in the page."""
    return {
        "post": (
            root / POST,
            lambda text, n: text.rstrip() + f"\n\nSaved {n}.\n",
            lambda n: f"{MAIL}.body.textContent.includes('Saved {n}.')",
        ),
        "template": (
            root / "email_templates/post.html",
            lambda text, n: text.replace("</body>", f"<p>Template {n}.</p></body>"),
            lambda n: f"{MAIL}.body.textContent.includes('Template {n}.')",
        ),
        "CSS": (
            root / "email_templates/partials/content.css",
            lambda text, n: text + f"\n.content p {{ letter-spacing: {n}.5px; }}\n",
            lambda n: (
                f"{MAIL}.defaultView.getComputedStyle({MAIL}.querySelector('.content p')).letterSpacing == '{n}.5px'"
            ),
        ),
        "list": (
            root / "subscribers.csv",
            lambda text, n: text.replace("Margaret Okafor", f"Margaret {n} Okafor"),
            lambda n: f"document.getElementById('mail-to').textContent.includes('Margaret {n} ')",
        ),
        "config": (
            root / "newsletter.toml",
            lambda text, n: text.replace('title = "The Long View"', f'title = "View {n}"'),
            lambda n: f"{MAIL}.body.textContent.includes('View {n}')",
        ),
    }


async def measure(
    page: Page, path: Path, change: Callable[[str, int], str], shown: Callable[[int], str]
) -> list[float]:
    """Milliseconds of each save."""
    original, taken = path.read_text(encoding="utf-8"), []
    for number in range(1, SAVES + 1):
        watching = asyncio.create_task(page.evaluate(WATCH, shown(number)))
        await asyncio.sleep(0.4)  # as somebody who types, and until the checks of the last save are done
        text = change(original, number)
        began = time.time() * 1000
        path.write_text(text, encoding="utf-8")
        taken.append(await watching - began)
    path.write_text(original, encoding="utf-8")
    await asyncio.sleep(0.5)
    return taken


async def main() -> int:
    """Run it; 1 where a median misses the goal."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in ("posts", "email_templates"):
            shutil.copytree(HERE / name, root / name)
        for name in ("newsletter.toml", "subscribers.csv"):
            shutil.copy(HERE / name, root)
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        config = load_config(root / "newsletter.toml")
        serving = asyncio.create_task(
            serve_preview(config, root / POST, port=0, browser=False, on_ready=ready.set_result, stop=stop)
        )
        missed = False
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await page.goto(await ready)
            await page.wait_for_selector("html[data-shown]", state="attached")
            await page.wait_for_selector(".findings-counts")
            print("| saved | median | slowest |\n|---|---|---|")
            for kind, (path, change, shown) in kinds(root).items():
                taken = await measure(page, path, change, shown)
                median = statistics.median(taken)
                missed |= median > GOAL_MS
                print(f"| {kind} | {median:.0f} ms | {max(taken):.0f} ms |", flush=True)
            await browser.close()
        stop.set()
        await serving
        return int(missed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
