"""What an HTML fragment says, without how it is written: a list of marks and words.

Words in order, headings, lists and their numbers, tables with rows and cells, code to the letter, links with their
targets, pictures, footnotes, emphasis, breaks. Wrappers, ids and classes are left out; so is the difference between a
generator's marks and ours for the same thing (footnotes, checkboxes, colours in code).
"""

import re
from urllib.parse import unquote

import lxml.html
from lxml.html import HtmlElement

_SAME = {"b": "strong", "i": "em", "s": "del", "strike": "del", "tt": "code"}
_MARKS = frozenset({
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "th", "td",
    "blockquote", "em", "strong", "del", "sup", "sub", "mark", "kbd", "samp", "u", "abbr", "small", "figure",
    "figcaption", "thead", "caption",
})  # fmt: skip
_BLOCKS = frozenset({
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot",
    "tr", "th", "td", "blockquote", "div", "section", "article", "figure", "figcaption", "details", "summary",
    "pre", "hr", "br", "caption", "center",
})  # fmt: skip
_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "--", "—": "---", "…": "...", "«": "<<", "»": ">>"}
)


def structure(html: str, *, typography: bool = True, anchors: bool = True) -> list[str]:
    """The marks and words of `html`; without `typography`, set characters count as those that were written.

    With `anchors`, a link to a heading in it is told by the heading's words, and not by what its id is called.
    """
    if not html.strip():
        return []
    root = lxml.html.fragment_fromstring(html, create_parent="div")
    reader = _Reader(typography)
    if anchors:
        headings = (one for one in root.iter(*(f"h{level}" for level in range(1, 7))) if one.get("id"))
        reader.headings = {one.get("id", ""): reader.plain(one.text_content() or "") for one in headings}
    reader.element(root)
    reader.flush()
    return reader.out


class _Reader:
    def __init__(self, typography: bool) -> None:
        self.typography = typography
        self.out: list[str] = []
        self.text = ""
        self.headings: dict[str, str] = {}  # by their ids

    def flush(self) -> None:
        words = " ".join(self.text.split())
        self.text = ""
        if words:
            self.out.append(words)

    def mark(self, mark: str) -> None:
        self.flush()
        self.out.append(mark)

    def words(self, text: str | None) -> None:
        if text:
            self.text += text if self.typography else text.translate(_PLAIN)

    def element(self, element: HtmlElement) -> None:
        tag = _SAME.get(str(element.tag), str(element.tag))
        address = element.get("href", "")
        if not isinstance(element.tag, str):
            pass
        elif (
            tag == "p"
            and len(element)
            and not (element.text or "").strip()
            and all(re.match(r"#fnref", link.get("href", "")) and not (link.tail or "").strip() for link in element)
        ):
            pass  # a footnote's way back
        elif tag == "thead" and not (element.text_content() or "").strip() and element.find(".//img") is None:
            pass  # a table's empty header is left out
        elif tag == "p" and element.getparent().tag == "figcaption":
            self.inside(element)  # Hugo's figures have one, ours have not
        elif tag == "pre":
            self.mark("pre[" + (element.text_content() or "").strip("\n") + "]")
        elif tag == "code":
            self.mark("code[" + " ".join((element.text_content() or "").split()) + "]")
        elif tag == "a" and re.match(r"#fnref", address):
            pass
        elif tag == "a" and re.match(r"#fn[:-]", address):
            self.mark(f"note[{(element.text_content() or '').strip('[]')}]")
        elif tag == "sup" and any(re.match(r"#fn[:-]", link.get("href", "")) for link in element.iter("a")):
            self.inside(element)
        elif tag == "img":
            self.mark(f"img[{_address(element.get('src', ''))}|{self.plain(element.get('alt', ''))}]")
        elif tag == "input" and element.get("type") == "checkbox":
            self.words("☑ " if element.get("checked") is not None else "☐ ")
        elif tag in {"br", "hr"}:
            if tag == "hr" and "footnote" in (element.getparent().get("class") or ""):
                pass
            else:
                self.mark(tag)
        elif tag in _MARKS or tag == "a":
            self.mark(self.opening(tag, element) + "(")
            self.inside(element)
            self.mark(")")
        else:
            apart = tag in _BLOCKS
            if apart:
                self.flush()
            self.inside(element)
            if apart:
                self.flush()
        self.words(element.tail)

    def inside(self, element: HtmlElement) -> None:
        self.words(element.text)
        for child in element:
            self.element(child)

    def opening(self, tag: str, element: HtmlElement) -> str:
        if tag == "a":
            address = _address(element.get("href", ""))
            return f"a:#{self.headings.get(address[1:], address[1:])}" if address[:1] == "#" else f"a:{address}"
        if tag == "ol" and element.get("start", "1") != "1":
            return f"ol:{element.get('start')}"
        if tag in {"td", "th"}:
            align = re.search(r"text-align:\s*(\w+)", element.get("style", ""))
            align_text = element.get("align") or (align[1] if align else "")
            return (
                f"{tag}:{align_text}"
                if align_text and ((element.text_content() or "").strip() or len(element))
                else tag
            )
        return tag

    def plain(self, text: str) -> str:
        return " ".join((text if self.typography else text.translate(_PLAIN)).split())


def _address(address: str) -> str:
    return unquote(address).strip()
