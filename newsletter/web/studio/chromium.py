"""Take pictures with an installed Chromium, over the DevTools protocol and two pipes: no driver, no port.

The browser runs headless with a profile of its own that is deleted afterwards. Protocol: Chrome DevTools Protocol 1.3;
`--remote-debugging-pipe` reads JSON messages ended by NUL from file descriptor 3 and writes them to 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError

NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "brave-browser", "chromium-headless-shell",
)  # fmt: skip
MAC_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PATIENCE = 30.0
"""Seconds that the browser has for each answer."""
TALLEST = 16_000
"""CSS pixels of a page that are photographed; Chromium's own limit lies a little above."""

_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--mute-audio", "--force-color-profile=srgb", "--disable-dev-shm-usage",
)  # fmt: skip


def find_chromium() -> str:
    """The path of an installed Chromium or a relative of it. Raises NewsletterError where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for app in MAC_APPS:
        if Path(app).is_file():
            return app
    raise NewsletterError(
        "no Chromium is installed, and pictures need one; install chromium (or Google Chrome) and put it on the PATH"
    )


class Browser:
    """A running Chromium with one page."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._session = ""

    def open_page(self) -> None:
        """Open the page that the other methods speak of."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def photograph(self, url: str, width: int, *, scheme: str = "light", scale: float = 1, within: str = "") -> bytes:
        """`url` as a PNG, `width` CSS pixels wide and as high as it is, in a colour scheme of "light" or "dark".

        `within` is a CSS selector: the picture then is of that element alone.
        """
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=scale, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.visit(url)
        box = self._box(within)
        height = min(TALLEST, max(1, box["height"]))
        clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def visit(self, url: str) -> None:
        """Go to `url`, and wait until it is there. Raises NewsletterError where it can't be had."""
        frame = self.call("Page.navigate", url=url)
        if "errorText" in frame:
            raise NewsletterError(f"Chromium can't open the preview: {frame['errorText']}; try again")
        self._wait_for("Page.loadEventFired")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer. Raises NewsletterError where the browser refuses or falls silent."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._write, json.dumps(message).encode() + b"\0")
        except OSError:
            raise NewsletterError("Chromium stopped before the pictures were taken; try again") from None
        answer = self._wait(lambda got: got.get("id") == self._number)
        if "error" in answer:
            raise NewsletterError(f"Chromium refused {method}: {answer['error'].get('message')}; update Chromium")
        result: dict[str, Any] = answer.get("result", {})
        return result

    def _box(self, within: str) -> dict[str, float]:
        what = f"document.querySelector({json.dumps(within)})" if within else "document.documentElement"
        script = (
            f"(async () => {{ await document.fonts.ready; const e = {what}; const b = e.getBoundingClientRect();"
            "return { x: b.x + scrollX, y: b.y + scrollY, width: Math.ceil(b.width),"
            f" height: Math.ceil({'b.height' if within else 'Math.max(b.height, e.scrollHeight)'}) }}; }})()"
        )
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        box: dict[str, float] = answer["result"]["value"]
        return box

    def _wait_for(self, event: str) -> None:
        self._wait(lambda got: got.get("method") == event)

    def _wait(self, wanted: Any) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while True:
            line, nul, rest = self._buffer.partition(b"\0")
            if nul:
                self._buffer = rest
                message: dict[str, Any] = json.loads(line)
                if wanted(message):
                    return message
                continue
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self._read, 1 << 20) if ready else b""
            if not piece:
                why = "stopped" if ready else f"does not answer within {PATIENCE:.0f} s"
                raise NewsletterError(f"Chromium {why}; run it by hand once to see why")
            self._buffer += piece


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium of our own, ended and cleaned up afterwards."""
    program = find_chromium()
    to_browser, from_browser = os.pipe(), os.pipe()
    options = [*_OPTIONS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory(prefix="newsletter-chromium-", ignore_cleanup_errors=True) as profile:
        process = _start([program, *options, f"--user-data-dir={profile}"], to_browser[0], from_browser[1])
        os.close(to_browser[0])
        os.close(from_browser[1])
        running = Browser(from_browser[0], to_browser[1])
        try:
            running.open_page()
            yield running
        finally:
            os.close(to_browser[1])  # Chromium ends when its pipe does
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(from_browser[0])


def _start(command: list[str], read: int, write: int) -> "subprocess.Popen[bytes]":
    """Start the browser with `read` as its descriptor 3 and `write` as its 4.

    A shell moves them there, because what runs between fork and exec must not be Python where there are threads; and
    gives the browser the memory that a post is not given, if one is being composed.
    """
    script = 'ulimit -S -v "$(ulimit -H -v)"; exec "$@" 3<&0 4>&1 </dev/null >/dev/null'
    try:
        return subprocess.Popen(  # noqa: S603 (a program of the PATH; nothing that a user typed)
            ["/bin/sh", "-c", script, "sh", *command], stdin=read, stdout=write, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise NewsletterError(f"Chromium can't be started: {error.strerror}; run {command[0]} by hand") from None
