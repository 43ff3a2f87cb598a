"""Turn a message's HTML into the document of its frame: as some client shows it, in light or dark.

Only what a view changes is rewritten, tag by tag; all else is passed on as it was sent, so that what is broken in a
message is broken in its preview. Nothing here makes hostile HTML safe: that is done by the frame's sandbox and policy
(`security.mail_policy`), and by `inert`. Pure.
"""

import html as entities
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from newsletter.web.dark_mode import Inversion, invert_attribute, invert_sheet, invert_style
from newsletter.web.inert import inert

Theme = Literal["light", "dark", "inverted", "partial"]
THEMES: tuple[Theme, ...] = ("light", "dark", "inverted", "partial")

GMAIL_CLIP = 102 * 1024
"""Bytes of HTML after which Gmail shows "[Message clipped]"."""

# Every pattern is linear, whatever the input: what is not closed reaches to the end, and matches once.
_PIECE = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <style(?P<style_tag>(?:[^>"']|"[^"]*"|'[^']*')*+)>(?P<style>.*?)(?P<style_end></style[^<>]*+>?|\Z)
      | <(?:script|title|textarea|xmp)\b.*?(?:</(?:script|title|textarea|xmp)|\Z)
      | <(?P<tag>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:[^>"']|"[^"]*"|'[^']*')*+)(?P<close>>|\Z)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""(?<![^\s"'<>/=])(?P<name>[^\s"'<>/=]++)(?P<equals>\s*+=\s*+)(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>]+))"""
)
_URL = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^\s"'()]*))\s*\)""", re.IGNORECASE)
_PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_COLOR_SCHEME = re.compile(r"(?<![\w-])(supported-color-schemes|color-scheme)\s*:\s*([^;}\"']+)", re.IGNORECASE)
_FRAGMENT = re.compile(r"""(?<![^\s"'])href\s*+=\s*+["']?#""", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(\d{1,4}(?:\.\d+)?)\s*(%|px)?\s*\Z")
_HEAD = re.compile(r"<head(?:\s[^>]*)?>|<html(?:\s[^>]*)?>|<!doctype[^>]*>", re.IGNORECASE)

_INVERTED_PAGE = "<style>html{background:#1e1e1e;color:#f2f2f2}a:link{color:#8ab4f8}a:visited{color:#c58af9}</style>"
_NO_IMAGES = (
    "<style>x-img{display:inline-block;box-sizing:border-box;max-width:100%;overflow:hidden;"
    "outline:1px solid rgba(128,128,128,.45);outline-offset:-1px}</style>"
)
_CLIPPED = (
    '<div style="clear:both;font:14px/1.5 Arial,sans-serif;color:{ink};padding:12px 8px;text-align:left">'
    '[Message clipped]&nbsp; <a style="color:{link}" href="#">View entire message</a></div>'
)


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a client shows a message."""

    theme: Theme = "light"
    styles: bool = True  # False: no <style> at all, as Gmail's app shows other providers' accounts
    clip: bool = False  # cut where Gmail cuts
    images: bool = True  # False: each picture's place with its alternative text in it


def frame_document(
    html: str, appearance: Appearance, map_url: Callable[[str], str] | None = None, *, foreign: bool = False
) -> str:
    """`html` as the document of a frame. `map_url` may send an image's address, decoded, elsewhere; from a `foreign`
    message all is taken out that connects by itself.

    Links open in a new tab, but those within the message. Dark mode does not depend on the browser's own setting: media
    queries and `color-scheme` are rewritten to what `appearance.theme` says.
    """
    clipped = appearance.clip and is_clipped(html)
    if clipped:
        html = clip(html)
    inversion: Inversion | None = {"inverted": "full", "partial": "partial"}.get(appearance.theme)  # type: ignore[assignment]
    dark = appearance.theme == "dark"
    rewriter = _FrameRewriter(dark, inversion, appearance.styles, appearance.images, map_url)
    document = _PIECE.sub(rewriter.piece, html)
    if clipped:
        inverted = inversion is not None
        document += _CLIPPED.format(ink="#bbb" if inverted else "#555", link="#8ab4f8" if inverted else "#1155cc")
    if foreign:  # the last of all changes: none may put together what is taken out
        document = inert(document)
    added = (_INVERTED_PAGE if inversion else "") + ("" if appearance.images else _NO_IMAGES)
    return _insert(document, '<base target="_blank">' + added)


def theme_named(name: str | None) -> Theme:
    """The theme of that name; light for any other."""
    for theme in THEMES:
        if theme == name:
            return theme
    return "light"


def is_clipped(html: str) -> bool:
    """Does Gmail cut it?"""
    return len(html) * 4 > GMAIL_CLIP and len(html.encode()) > GMAIL_CLIP


def clip(html: str) -> str:
    """The part that Gmail shows: no tag and no character is cut in two."""
    kept = html.encode()[:GMAIL_CLIP].decode("utf-8", "ignore")
    opened = kept.rfind("<")
    return kept[:opened] if opened > kept.rfind(">") else kept


@dataclass(frozen=True, slots=True)
class _FrameRewriter:
    dark: bool
    inversion: Inversion | None
    styles: bool
    images: bool
    map_url: Callable[[str], str] | None

    def piece(self, match: re.Match[str]) -> str:
        if match["style"] is not None:
            if not self.styles:
                return ""
            tag = self._attributes("style", match["style_tag"])
            return f"<style{tag}>{self._css(match['style'], sheet=True)}{match['style_end']}"
        if match["tag"] is None or not match["close"]:
            return match[0]
        name = match["tag"].lower()
        if name == "base" or (name == "link" and not self.styles):
            return ""
        if name == "img" and not self.images:
            return self._place(match["attributes"])
        if "=" not in match["attributes"]:
            return match[0]
        stays = ' target="_self"' if name == "a" and _FRAGMENT.search(match["attributes"]) else ""
        return f"<{match['tag']}{stays}{self._attributes(name, match['attributes'])}>"

    def _place(self, attributes: str) -> str:
        """Where a picture would be, as large as it says: a browser draws a broken corner there, mail programs don't."""
        values = {
            match["name"].lower(): entities.unescape(match["double"] or match["single"] or match["bare"] or "")
            for match in _ATTRIBUTE.finditer(attributes)
        }
        sizes = [(name, _LENGTH.match(values.get(name, ""))) for name in ("width", "height")]
        size = "".join(f"{name}:{found[1]}{found[2] or 'px'};" for name, found in sizes if found)
        style = entities.escape(size + self._css(values.get("style", ""), sheet=False))
        kept = f' class="{entities.escape(values["class"])}"' if "class" in values else ""
        return f'<x-img{kept} style="{style}">{entities.escape(values.get("alt", ""))}</x-img>'

    def _attributes(self, tag: str, text: str) -> str:
        scheme = tag == "meta" and "color-scheme" in text.lower()

        def attribute(match: re.Match[str]) -> str:
            name = match["name"].lower()
            raw = next(value for value in (match["double"], match["single"], match["bare"]) if value is not None)
            value = entities.unescape(raw)
            new = self._value(tag, name, value, scheme)
            if new == value:
                return match[0]
            return f'{match["name"]}="{entities.escape(new)}"'

        return _ATTRIBUTE.sub(attribute, text)

    def _value(self, tag: str, name: str, value: str, scheme: bool) -> str:
        if name == "style":
            return self._css(value, sheet=False)
        if name in {"src", "background", "poster"}:
            return self.map_url(value.strip()) if self.map_url else value
        if name == "srcset" and self.map_url:
            return ", ".join(self._candidate(part.strip(), self.map_url) for part in value.split(", ") if part.strip())
        if name == "media":
            return self._media(value)
        if name == "content" and scheme:
            return self._scheme(value)
        return invert_attribute(name, value, self.inversion) if self.inversion else value

    def _candidate(self, candidate: str, map_url: Callable[[str], str]) -> str:
        url, _, descriptor = candidate.partition(" ")
        return f"{map_url(url)} {descriptor}".strip()

    def _css(self, css: str, *, sheet: bool) -> str:
        css = self._media(css)
        css = _COLOR_SCHEME.sub(lambda match: f"{match[1]}: {self._scheme(match[2])}", css)
        if self.map_url and "url(" in css.lower():
            css = _URL.sub(self._css_url, css)
        if self.inversion:
            css = invert_sheet(css, self.inversion) if sheet else invert_style(css, self.inversion)
        return css

    def _css_url(self, match: re.Match[str]) -> str:
        assert self.map_url is not None
        url = match[1] or match[2] or match[3] or ""
        new = self.map_url(url)
        return match[0] if new == url else f"url({new})"

    def _media(self, css: str) -> str:
        """`prefers-color-scheme` answered here: by what is always, or never, true."""
        return _PREFERS.sub(
            lambda m: "(min-width:0)" if (m[1].lower() == "dark") == self.dark else "(max-width:0)", css
        )

    def _scheme(self, value: str) -> str:
        """`color-scheme` as it comes out under this theme: one that the message allows, or what it says."""
        wanted = "dark" if self.dark else "light"
        return wanted if wanted in value.lower() else value


def _insert(document: str, addition: str) -> str:
    """`addition` as early in the head as may be, after what decides the document's mode."""
    found = None
    for match in _HEAD.finditer(document, 0, 20_000):
        found = match
        if match[0].lower().startswith("<head"):
            break
    at = found.end() if found else 0
    return document[:at] + addition + document[at:]
