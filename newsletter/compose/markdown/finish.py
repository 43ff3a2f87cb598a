"""What is easier done in the finished tree: tasks, headless tables, footnotes nobody refers to, names of headings."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from html import unescape
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown.extensions.attr_list import AttrListTreeprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from newsletter.compose.templating.tokens import TOKEN
from newsletter.site.slug import slugify

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

WIDE = 5
"""Columns of a table from which on phones have no room for it: templates let it scroll."""

_LINKED = re.compile(r"\shref=[\"']?#")
_PLACE = re.compile(r"\x02[^\x03]*\x03")
_LEFT = re.compile(r"[ \t]*\{:(?!:)[^{}\n]*\}")


class Attributes(AttrListTreeprocessor):
    """Attribute lists begin with a colon, a class, an id or a pair; `the set {a, b}` is text."""

    # The stubs call these final; the class reads them from its instance.
    BASE_RE = r"\{(?=:|[ ]*[.#]|[ ]*[\w-]+=)\:?[ ]*([^\}\n ][^\}\n]*)\}"  # type: ignore[misc]
    HEADER_RE = re.compile(rf"[ ]+{BASE_RE}[ ]*$")  # type: ignore[misc]
    HUGOS = re.compile(rf"[ ]*{BASE_RE}[ ]*$")
    BLOCK_RE = re.compile(rf"\n[ ]*{BASE_RE}[ ]*$")  # type: ignore[misc]
    INLINE_RE = re.compile(rf"^{BASE_RE}")  # type: ignore[misc]

    def run(self, doc: Element) -> None:
        """Everywhere for kramdown's marks; Hugo knows attributes of headings alone."""
        grammar = getattr(self.md, "grammar")  # noqa: B009 (the base class knows no more than python-markdown)
        if grammar.kramdown:
            super().run(doc)
            return
        for heading in doc.iter():
            if re.fullmatch(r"h[1-6]", str(heading.tag)):
                last = heading[-1] if len(heading) else None
                text = (heading.text if last is None else last.tail) or ""
                match = (self.HUGOS if grammar.goldmark else self.HEADER_RE).search(text)
                if match and not self.assign_attrs(heading, match[1], strict=True):
                    setattr(
                        heading if last is None else last, "text" if last is None else "tail", text[: match.start()]
                    )


class Finish(Treeprocessor):
    """The last look at the tree."""

    md: "Converter"

    def run(self, root: Element) -> None:
        linked = any((link.get("href") or "").startswith("#") for link in root.iter("a")) or any(
            _LINKED.search(raw) for raw in self.md.htmlStash.rawHtmlBlocks if isinstance(raw, str)
        )
        names: set[str] = {name for element in root.iter() if (name := element.get("id"))}
        for element in root.iter():
            if element.tag == "li":
                self._item(element)
            elif element.tag == "table":
                self._table(element)
            elif linked and re.fullmatch(r"h[1-6]", str(element.tag)) and not element.get("id"):
                name = _unique(_heading_name(element, self.md), names)
                if name:
                    element.set("id", name)
            if self.md.grammar.kramdown and element.tag not in {"code", "pre"}:
                self._remove_attributes(element)
        self._unused_footnotes(root)

    def _unused_footnotes(self, root: Element) -> None:
        used = {f"fn-{label}" for label in self.md.footnotes.footnote_order}
        for box in list(root):
            if box.get("class") != "footnote":
                continue
            notes = box.find("ol")
            if self.md.grammar.name == "kramdown" and notes is not None:
                used = _referred(root, box, {note.get("id") or "": note for note in notes})
            for note in list(notes) if notes is not None else ():
                if note.get("id") not in used and notes is not None:
                    notes.remove(note)
            numbers = {note.get("id"): number for number, note in enumerate(notes if notes is not None else (), 1)}
            for link in root.iter("a"):
                if link.get("class") == "footnote-ref" and (number := numbers.get((link.get("href") or "")[1:])):
                    link.text = str(number)
            if notes is None or not len(notes):
                root.remove(box)

    @staticmethod
    def _table(table: Element) -> None:
        head = table.find("thead")
        if head is not None and not any("".join(cell.itertext()).strip() or len(cell) for cell in head.iter("th")):
            table.remove(head)
        if max((len(row) for row in table.iter("tr")), default=0) >= WIDE:
            table.set("class", "wide")

    @staticmethod
    def _item(item: Element) -> None:
        first = item[0] if len(item) and item[0].tag == "p" and not (item.text or "").strip() else item
        if (first.text or "").lstrip().startswith(("☐", "☑")):
            item.set("class", "task")
            item.set("style", "list-style-type: none")

    @staticmethod
    def _remove_attributes(element: Element) -> None:
        """kramdown's attribute lists that found nothing to hold on to."""
        if element.text and "{:" in element.text and not isinstance(element.text, AtomicString):
            element.text = _LEFT.sub("", element.text)
        for child in element:
            if child.tail and "{:" in child.tail:
                child.tail = _LEFT.sub("", child.tail)


def _referred(root: Element, box: Element, notes: Mapping[str, Element]) -> set[str]:
    """The notes that the text refers to, and those that these refer to; a note named in an unused one alone is none."""
    found: set[str] = set()
    ahead = [part for part in root if part is not box]
    while ahead:
        names = {(link.get("href") or "")[1:] for link in ahead.pop().iter("a") if link.get("class") == "footnote-ref"}
        ahead += [notes[name] for name in names - found if name in notes]
        found |= names
    return found


def _heading_name(heading: Element, md: "Converter") -> str:
    """A heading's id as its generator makes it, from its words or, in Hugo, its source; none for a reader's values."""
    source = md.headings.get(heading, "")
    if TOKEN.search(source) or TOKEN.search("".join(heading.itertext())):
        return ""
    if md.grammar.goldmark:
        signs = source.rpartition("\n")[2].rstrip()
        attributes = signs[signs.rfind("{") :] if signs.endswith("}") else ""
        if attributes and not "".join(heading.itertext()).rstrip().endswith(attributes):
            signs = signs.removesuffix(attributes)
        signs = signs.strip()
        return "".join("-" if c in "- " else c.lower()[:1] for c in signs if c in "- _" or _is_letter(c)) or "heading"
    text = _PLACE.sub("", unescape("".join(_spoken(heading))))
    if md.grammar.pulldown:
        return slugify(text)
    if md.grammar.name == "kramdown" and not md.grammar.gfm:
        return re.sub(r"[^a-zA-Z0-9 -]", "", re.sub(r"\A[^a-zA-Z]+", "", text)).replace(" ", "-").lower() or "section"
    return "".join("-" if c in "- \t" else c for c in text.lower() if c in "- \t" or _is_word(c))


def _spoken(element: Element) -> Iterator[str]:
    """The words in `element`; a footnote's number is none of them."""
    yield element.text or ""
    for child in element:
        if not (child.tag == "sup" and (child.get("id") or "").startswith("fnref")):
            yield from _spoken(child)
        yield child.tail or ""


def _is_letter(character: str) -> bool:
    return character.isdecimal() or unicodedata.category(character)[0] == "L"


def _is_word(character: str) -> bool:
    return _is_letter(character) or unicodedata.category(character) in {"Mn", "Mc", "Me", "Pc"}


def _unique(base: str, names: set[str]) -> str:
    name, number = base, 0
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name
