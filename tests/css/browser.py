"""What Chromium computes for every element of a page, on a desk, on a phone, in the dark, under the pointer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, sync_playwright

from tests.chromium import CHROMIUM

_READ = """() => {
  document.getAnimations().forEach(one => { one.pause(); one.currentTime = 0 });
  const names = [...getComputedStyle(document.body)];  // cssText of a computed style is empty by CSSOM
  return [...document.querySelectorAll('html, body, body *:not(style, script)')].flatMap(element =>
    [null, '::before', '::after', '::first-line', '::marker'].map(part => {
      const style = getComputedStyle(element, part);
      if (['::before', '::after'].includes(part) && style.content == 'none') return '';
      const told = part ? ['content', 'color', 'background-color', 'font-size'] : names;
      const values = told.map(name => name + ': ' + style.getPropertyValue(name));
      return [element.localName + (part || ''), ...values].join('\\n');
    }));
  }"""


@dataclass(frozen=True)
class View:
    """How the page is looked at; `pointer` is the id of the element under it."""

    width: int = 800
    dark: bool = False
    pointer: str = ""
    media: str = "screen"


DESK, PHONE, DARK, PRINT = View(), View(width=400), View(dark=True), View(media="print")
POINTED = View(pointer="h")
POINTED_PHONE = View(width=400, pointer="h")


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page without network and scripts' side effects, at rest."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/*", lambda route: route.abort())
        try:
            yield page
        finally:
            browser.close()


def computed(page: Page, html: str, view: View) -> list[str]:
    """A text for each element and its parts: its name, and each property with its computed value."""
    page.set_viewport_size({"width": view.width, "height": 600})
    page.emulate_media(
        color_scheme="dark" if view.dark else "light", media="print" if view.media == "print" else "screen"
    )  # fmt: skip
    page.set_content(html, wait_until="load")
    if not view.pointer:
        return list(page.evaluate(_READ))
    session = page.context.new_cdp_session(page)  # a real pointer would lose an element that moves under it
    try:
        session.send("DOM.enable")
        session.send("CSS.enable")
        root = session.send("DOM.getDocument")["root"]["nodeId"]
        for selector in (f"#{view.pointer}", f":has(#{view.pointer})"):
            found = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})
            for node in found["nodeIds"]:
                session.send("CSS.forcePseudoState", {"nodeId": node, "forcedPseudoClasses": ["hover"]})
        return list(page.evaluate(_READ))
    finally:
        session.detach()


def differences(page: Page, html: str, inline: Callable[[str], str], views: tuple[View, ...]) -> list[str]:
    """Each property of each element that is not the same after inlining, in words."""
    inlined = inline(html)
    found = []
    for view in views:
        before, after = computed(page, html, view), computed(page, inlined, view)
        if len(before) != len(after):
            return [f"{len(before)} elements and parts became {len(after)}"]
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            if one != other:
                lines = zip(one.split("\n"), other.split("\n"), strict=False)
                told = [f"{a} became {b}" for a, b in lines if a != b]
                found.append(f"{view}: {number} {one.splitlines()[0]}: {'; '.join(told[:4])}")
    return found


def views_of(css: str, body: str) -> tuple[View, ...]:
    """How a page with this sheet should be looked at."""
    views = [DESK]
    if "@media" in css or "media=" in body or "@container" in css:
        views += [PHONE, DARK, PRINT]
    if ":hover" in css:
        views += [POINTED, POINTED_PHONE]
    return tuple(views)


def whole(css: str, body: str) -> str:
    """A page with a sheet in its head."""
    head = f"<head><meta charset='utf-8'><title>x</title><style>{css}</style></head>"
    return f"<!DOCTYPE html><html>{head}<body>{body}</body></html>"
