"""Inline patterns for python-markdown: code, escapes, addresses, raw HTML, characters, line breaks, mathematics.

Each says with MARKS which characters it begins with; `scan` tries it there. Text that is given back is escaped as
python-markdown's serializer wants it: an ampersand that could be read as a character's name is `&amp;`.
"""

import html as entities
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown.inlinepatterns import InlineProcessor
from markdown.util import AtomicString, Registry

from newsletter.compose.markdown.raw_html import ATTRIBUTE, is_raw

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

Found = tuple[Element | str | None, int | None, int | None]
NOTHING: Found = (None, None, None)

_ENTITY = r"&(?:#[xX][0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});"
_INLINE_HTML = (
    rf"<[A-Za-z][A-Za-z0-9-]*(?:{ATTRIBUTE})*\s*/?>|</[A-Za-z][A-Za-z0-9-]*\s*>"
    r"|<!\[CDATA\[(?:(?!\]\]>).)*\]\]>|<!---?>|<!--(?:(?!-->).)*-->|<\?(?:(?!\?>).)*\?>|<![A-Za-z][^>]*>"
)
_AUTOLINK = r"<(?:([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)|((?:mailto:)?[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*))>"
_KRAMDOWN_AUTOLINK = r"<(?:((?:mailto|https?|ftps?):[^\n>]+?)|([\w.-]+?@[\w.-]+?))>"
_GFM_ADDRESS = r"(?:https?://|ftp://|www\.)[^\s<>\x02\x03]+"
_PATH = r"[-a-zA-Z0-9@:%_+.~#$!?&/=();,'\">^{}\[\]`]*"
_GOLDMARK_ADDRESS = (
    rf"(?:https?|ftp)://[-a-zA-Z0-9@:%._+~#=]{{1,256}}\.[a-z]+(?::\d+)?(?:[/#?]{_PATH})?"
    rf"|www\.[-a-zA-Z0-9@:%._+~#=]{{1,256}}\.[a-z]+(?:[/#?]{_PATH})?"
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_SPACES = ("", " ", "\t", "\n")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_KRAMDOWN = frozenset("\\.*_+`<>()[]{}#!:|\"'$=-~")


def escape_ampersand(text: str) -> str:
    """`text` as the serializer leaves it alone."""
    return text.replace("&", "&amp;")


def decoded(text: str) -> str:
    """An address or a title: backslashes and characters' names undone."""
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    return escape_ampersand(re.sub(_ENTITY, lambda found: entities.unescape(found[0]), text)) if "&" in text else text


class _Pattern(InlineProcessor):
    MARKS = ""
    md: "Converter"


class Escape(_Pattern):
    """A backslash before punctuation: the character itself, which typography leaves alone."""

    MARKS = "\\"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        if m[1] not in (_KRAMDOWN if self.md.grammar.name == "kramdown" else _PUNCTUATION):
            return NOTHING
        if m[1] == "~" and not self.md.grammar.gfm:
            return NOTHING
        if m[1] == "\\" and data.startswith("\n", m.end(0)) and self.md.grammar.name == "kramdown":
            return NOTHING  # two of them break a line
        return "&amp;" if m[1] == "&" else f"\x02{ord(m[1])}\x03", m.start(0), m.end(0)


class Code(_Pattern):
    """Between runs of as many backticks."""

    MARKS = "`"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        run = m[0]
        start, end = m.end(0), -1
        if self.md.grammar.name == "kramdown":
            if len(run) == 1 and data[start : start + 1] in _SPACES and data[: m.start(0)][-1:] in _SPACES:
                return escape_ampersand(run), m.start(0), start
            end = data.find(run, start)
        elif self._none[:2] != (data, run) or start < self._none[2]:
            closing = re.compile(rf"(?<!`)`{{{len(run)}}}(?!`)").search(data, start)
            end = closing.start() if closing else -1
        if end < 0:
            self._none = (data, run, start)  # a later run of as many has nothing behind it either
            return escape_ampersand(run), m.start(0), start
        text = data[start:end]
        if self.md.grammar.name == "kramdown":
            if len(run) > 1:
                text = text.removeprefix(" ").removesuffix(" ")
        else:
            text = text.replace("\n", " ")
            if text.startswith(" ") and text.endswith(" ") and text.strip():
                text = text[1:-1]
        code = Element("code")
        code.text = AtomicString(text.replace("&", "&amp;"))
        return code, m.start(0), end + len(run)

    _none: tuple[str, str, int] = ("", "", 0)


class Autolink(_Pattern):
    """`<https://example.org>` and `<ada@example.org>`; harvesters don't read mail, so nothing is disguised."""

    MARKS = "<"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        address = m[1] or m[2]
        link = Element("a", href=escape_ampersand(address if m[1] else f"mailto:{address}"))
        link.text = AtomicString(escape_ampersand(address.removeprefix("mailto:")))
        return link, m.start(0), m.end(0)


class Html(_Pattern):
    """A tag or a comment of raw HTML."""

    MARKS = "<"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        if not self.md.grammar.unsafe or m[0].startswith("<!"):
            return "", m.start(0), m.end(0)
        if (name := re.match(r"<(code|kbd|samp|tt|var|pre|math|script|style)\b", m[0], re.I)) and not m[0].endswith(
            "/>"
        ):
            # What typography must not touch goes with its tags, where it holds no Markdown.
            closing = re.compile(rf"[^<`*_\[\]\\]*</{name[1]}\s*>", re.I).match(data, m.end(0))
            if closing:
                return str(self.md.htmlStash.store(m[0] + closing[0])), m.start(0), closing.end()
        end = m.end(0)
        if self.md.grammar.name == "kramdown" and not m[0].endswith("/>"):
            end = _raw_end(m[0], data, end)
        return str(self.md.htmlStash.store(data[m.start(0) : end])), m.start(0), end


def _raw_end(tag: str, data: str, end: int) -> int:
    """Where the element ends that `tag`, up to `end`, opens, if kramdown reads no Markdown in it; else `end`."""
    name = re.match(r"<([A-Za-z][\w-]*)", tag)
    if name is None or not is_raw(name[1].lower()):
        return end
    closing = re.compile(rf"</{name[1]}\s*>", re.IGNORECASE).search(data, end)
    return closing.end() if closing else end


class Entity(_Pattern):
    """A character by its name or number."""

    MARKS = "&"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        character = entities.unescape(m[0]) or "\ufffd"
        if character in (m[0], "&"):
            return escape_ampersand(character), m.start(0), m.end(0)
        if len(character) == 1 and (character.isascii() or character in "\x85\xa0"):
            return f"\x02{ord(character) or 0xFFFD}\x03", m.start(0), m.end(0)
        return character, m.start(0), m.end(0)


class Break(_Pattern):
    """A line's end that is kept: after two blanks or a backslash, or everywhere where the site wants it so."""

    MARKS = "\n\\"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        start = m.start(0)
        blanks = start - len(data[:start].rstrip(" "))
        if m[0].startswith("\n") and blanks < 2 and not self.md.grammar.hard_wrap:
            return NOTHING
        return Element("br"), start, m.end(0)


_LINK = re.compile(r"\[[^\[\]\n]*\]\(")
_BEFORE_QUOTE = re.compile(r"[\"“”‘’«»、。《》「」『』【】！（），：；？]")
"""What ends an address where it is none on the blog, and other scripts write no blank behind it."""


class BareAddress(_Pattern):
    """A web address in the text is a link, as on GitHub; punctuation after it isn't part of it."""

    MARKS = "hwf"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        before = data[m.start(0) - 1 : m.start(0)]
        grammar = self.md.grammar
        lax = grammar.name == "commonmark" and not grammar.goldmark and m[0][0] != "w"  # cmark-gfm asks for no more
        if before and (before.isalnum() if lax else not before.isspace() and before not in "*_~("):
            return NOTHING
        address = m[0]
        if grammar.name == "kramdown":
            address = _BEFORE_QUOTE.split(address, maxsplit=1)[0]
            if words := _LINK.search(data, m.start(0), m.end(0) + 200):  # a link's words end it too
                address = address[: words.start() - m.start(0)]
        while address:
            if entity := re.search(r"&[A-Za-z0-9]+;\Z", address):
                address = address[: entity.start()]
            elif address[-1] in "?!.,:;*_~'\"" or (address[-1] == ")" and address.count("(") < address.count(")")):
                address = address[:-1]
            else:
                break
        if len(address) < 8 or "." not in address:
            return escape_ampersand(m[0]), m.start(0), m.end(0)
        end = m.start(0) + len(address)
        if grammar.name == "kramdown":  # it is text there, with its backslashes undone
            address = _ESCAPED.sub(r"\1", address)
        link = Element("a", href=escape_ampersand(address if address[0] != "w" else f"https://{address}"))
        link.text = AtomicString(escape_ampersand(address))
        return link, m.start(0), end


class Math(_Pattern):
    """`$$x_1$$`: shown as written, its underscores no emphasis."""

    MARKS = "$"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        span = Element("span", {"class": "math"})
        span.text = AtomicString(escape_ampersand(m[0]))
        return span, m.start(0), m.end(0)


class Emoji(_Pattern):
    """`:wave:`, by GitHub's names."""

    MARKS = ":"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        from pymdownx import gemoji_db  # two thousand names, which most posts don't need

        name = gemoji_db.aliases.get(m[0], m[0])
        emoji = gemoji_db.emoji.get(name, {})
        code = emoji.get("unicode_alt") or emoji.get("unicode")
        if not code:
            return NOTHING
        return "".join(chr(int(part, 16)) for part in code.split("-")), m.start(0), m.end(0)


class Extension(_Pattern):
    """kramdown's `{::nomarkdown}…{:/}` and `{::comment}…{:/}` in a line."""

    MARKS = "{"

    def handleMatch(self, m: re.Match[str], data: str) -> Found:  # type: ignore[override]  # noqa: N802
        kept = str(self.md.htmlStash.store(m[2])) if m[1] == "nomarkdown" else ""
        return kept, m.start(0), m.end(0)


def register(md: "Converter") -> None:
    """Put the patterns in python-markdown's registry, in place of its own."""
    footnote = md.inlinePatterns["footnote"]
    md.inlinePatterns = Registry()
    md.inlinePatterns.register(footnote, "footnote", 175)
    add = md.inlinePatterns.register
    add(Escape(r"\\(.)", md), "escape", 180)
    add(Break((r"\\{0,2}" if md.grammar.name == "kramdown" else r"\\?") + r"\n[ \t]*", md), "linebreak", 100)
    add(Code(r"`+", md), "backtick", 190)
    add(Autolink(_KRAMDOWN_AUTOLINK if md.grammar.name == "kramdown" else _AUTOLINK, md), "autolink", 120)
    add(Html(_INLINE_HTML, md), "html", 90)
    add(Entity(_ENTITY, md), "entity", 80)
    if md.grammar.linkify:
        add(BareAddress(_GOLDMARK_ADDRESS if md.grammar.goldmark else _GFM_ADDRESS, md), "bare", 85)
    if md.grammar.emoji:
        add(Emoji(r":[a-z0-9_+-]+:", md), "emoji", 60)
    if md.grammar.kramdown:
        add(Extension(r"\{::(nomarkdown|comment)\b[^{}\n]*\}(.*?)\{:/(?:\1)?\}", md), "extension", 70)
        add(Math(r"\$\$.+?\$\$", md), "math", 185)
