"""What is easier done in the finished tree: tasks, headless tables, footnotes nobody refers to, names of headings."""

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown.extensions.attr_list import AttrListTreeprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from newsletter.compose.templating.tokens import TOKEN

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

WIDE = 5
"""Columns of a table from which on phones have no room for it: templates let it scroll."""

_LEFT = re.compile(r"[ \t]*\{:(?!:)[^{}\n]*\}")


class Attributes(AttrListTreeprocessor):
    """Attribute lists begin with a colon, a class, an id or a pair; `the set {a, b}` is text."""

    # The stubs call these final; the class reads them from its instance.
    BASE_RE = r"\{(?=:|[ ]*[.#]|[ ]*[\w-]+=)\:?[ ]*([^\}\n ][^\}\n]*)\}"  # type: ignore[misc]
    HEADER_RE = re.compile(rf"[ ]+{BASE_RE}[ ]*$")  # type: ignore[misc]
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
                match = self.HEADER_RE.search(text)
                if match and not self.assign_attrs(heading, match[1], strict=True):
                    setattr(
                        heading if last is None else last, "text" if last is None else "tail", text[: match.start()]
                    )


class Finish(Treeprocessor):
    """The last look at the tree."""

    md: "Converter"

    def run(self, root: Element) -> None:
        linked = any((link.get("href") or "").startswith("#") for link in root.iter("a"))
        names: set[str] = {name for element in root.iter() if (name := element.get("id"))}
        for element in root.iter():
            if element.tag == "li":
                self._item(element)
            elif element.tag == "table":
                self._table(element)
            elif linked and re.fullmatch(r"h[1-6]", str(element.tag)) and not element.get("id"):
                name = _name("".join(element.itertext()), names)
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
            for note in list(notes) if notes is not None else ():
                if note.get("id") not in used and notes is not None:
                    notes.remove(note)
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


def _name(text: str, names: set[str]) -> str:
    """A heading's id as kramdown and GitHub make it; none for what depends on the reader."""
    text = re.sub(r"\x02[^\x03]*\x03", "", text)
    if TOKEN.search(text):
        return ""
    base = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") or "section"
    name, number = base, 0
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name
