"""The words within a paragraph as plain text: emphasis, code, links, images, footnote marks.

A link is numbered and its address given at the end of the text; one that depends on the reader stands in place, because
its value may exist only there. Blocks, and where lines end, are `render`'s.
"""

import re
from collections.abc import Callable, Iterable

from newsletter.compose.templating.tokens import TOKEN
from newsletter.compose.text.nodes import Item, Node, contents, is_comment, is_hidden, tag_of, token_of
from newsletter.compose.text.wrap import NO_BREAK

_SPACE = re.compile(r"[ \t\n\r\f\u2028\u2029]+")
_URL_SPACE: dict[int, str] = {9: "", 10: "", 13: "", 32: "%20"}  # as browsers read them
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u2060\ufeff"))
_IDLE_JOINER = re.compile("(?<![^\x00-\x7f\xa0\u200c\u200d])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\xa0])")
_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_ORDINAL = frozenset(("st", "nd", "rd", "th", "er", "re", "e", "ère", "ème", "o", "a", "os", "as"))
_SIGN_ONLY = re.compile(r"[^\w\s]{1,8}\Z")
_BACK = re.compile("[\u21a9\u2191^\ufe0e\ufe0f\\s\\d]*\\Z")


class InlineText:
    """Reads runs of text and inline elements, and gathers the addresses of their links."""

    def __init__(self) -> None:
        self.links: dict[str, int] = {}  # address: its number
        self._explained: set[str] = set()
        self._plain = 0  # inside a heading: no marks of emphasis

    def read(self, items: Iterable[Item], *, plain: bool = False) -> str:
        """One paragraph on one line, LF where a `<br>` stands; `plain` leaves the marks of emphasis out."""
        self._plain += plain
        try:
            return collapse("".join(item if isinstance(item, str) else self._element(item) for item in items))
        finally:
            self._plain -= plain

    def address(self, href: str, shown: str) -> str:
        """What follows a link's words: its number, its address if that depends on the reader, or nothing."""
        href = href.strip().translate(_URL_SPACE)
        scheme, _, rest = href.partition(":")
        bare = rest if scheme.lower() in ("mailto", "tel", "sms") and "?" not in rest else href
        if not bare or href.startswith("#") or re.match(r"(?:javascript|data|vbscript):", href, re.IGNORECASE):
            return ""
        if same_address(shown, href) or same_address(shown, bare):
            return ""
        if TOKEN.search(href):
            return f"{NO_BREAK}<{bare}>"
        return f"{NO_BREAK}[{self.links.setdefault(bare, len(self.links) + 1)}]"

    def _element(self, element: Node) -> str:
        if is_comment(element):
            return token_of(element)
        if is_hidden(element):
            return ""
        return _ELEMENTS.get(element.tag, InlineText._content)(self, element)

    def _content(self, element: Node) -> str:
        return "".join(item if isinstance(item, str) else self._element(item) for item in contents(element))

    def _marked(self, element: Node, mark: str) -> str:
        text = self._content(element)
        inner = _SPACE.sub(" ", text)
        if self._plain or not inner.strip():
            return text
        head, tail = " " * inner.startswith(" "), " " * inner.endswith(" ")
        return f"{head}{mark}{inner.strip()}{mark}{tail}"

    def _a(self, element: Node) -> str:
        text = self._content(element)
        classes = element.get("class", "").split()
        href = element.get("href", "").strip()
        if "footnote-backref" in classes or element.get("role") == "doc-backlink":
            return ""
        if href.startswith("#") and (_BACK.match(text) and not text.strip().isdigit()):
            return ""
        if href.startswith("#") and ("footnote-ref" in classes or element.get("role") == "doc-noteref"):
            return text if tag_of(element.getparent()) == "sup" else _raise(text)
        if not text.strip():
            return text
        end = len(text) - len(text.rstrip())
        return text.rstrip() + self.address(href, collapse(text)) + " " * (end > 0)

    def _img(self, element: Node) -> str:
        alt = collapse(_SPACE.sub(" ", element.get("alt", "")))
        if not alt:
            return "[image]" if tag_of(element.getparent()) == "a" and element.getnext() is None else ""
        return alt if _SIGN_ONLY.match(alt) else f"[{alt}]"

    def _sup(self, element: Node) -> str:
        return _raise(self._content(element))

    def _sub(self, element: Node) -> str:
        text = self._content(element).strip()
        if all(ord(char) in _LOWERED for char in text):
            return text.translate(_LOWERED)
        return f"_{text}" if len(text) == 1 else f"_({text})"

    def _abbr(self, element: Node) -> str:
        text, title = self._content(element), collapse(_SPACE.sub(" ", element.get("title", "")))
        if not title or text in self._explained or self._plain:
            return text
        self._explained.add(text)
        return f"{text} ({title})"

    def _input(self, element: Node) -> str:
        if element.get("type", "").lower() not in ("checkbox", "radio"):
            return ""
        return "[x] " if element.get("checked") is not None else f"[{NO_BREAK}] "


def _mark(mark: str) -> Callable[[InlineText, Node], str]:
    return lambda inline, element: inline._marked(element, mark)


_ELEMENTS: dict[str, Callable[[InlineText, Node], str]] = {
    "a": InlineText._a,
    "abbr": InlineText._abbr,
    "b": _mark("*"),
    "br": lambda _, __: "\v",
    "code": _mark("`"),
    "del": _mark("~~"),
    "em": _mark("_"),
    "i": _mark("_"),
    "img": InlineText._img,
    "input": InlineText._input,
    "q": lambda inline, element: f"“{inline._content(element)}”",
    "rt": lambda inline, element: f"({inline._content(element).strip()})",
    "s": _mark("~~"),
    "samp": _mark("`"),
    "strike": _mark("~~"),
    "strong": _mark("*"),
    "sub": InlineText._sub,
    "sup": InlineText._sup,
    "wbr": lambda _, __: "",
}


def collapse(text: str) -> str:
    """White space made one space, what can't be seen taken out, LF where a `<br>` (as VT) stood."""
    text = text.translate(INVISIBLE)
    if "\u200c" in text or "\u200d" in text:
        text = _IDLE_JOINER.sub("", text)
    text = _SPACE.sub(" ", text)
    return re.sub(r" ?\v ?", "\n", text).strip(f" \n{NO_BREAK}")


def same_address(shown: str, href: str) -> bool:
    """Whether a link's words are its address already, so that nothing need be said."""
    return shown.rstrip("/").casefold() == href.rstrip("/").casefold()


def _raise(text: str) -> str:
    text = text.strip()
    if all(ord(char) in _RAISED for char in text):
        return text.translate(_RAISED)
    if text.lower() in _ORDINAL or not text[0].isalnum():
        return text
    return f"^{text}" if len(text) == 1 else f"^({text})"
