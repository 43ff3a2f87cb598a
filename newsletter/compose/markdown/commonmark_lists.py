"""Lists, definitions and footnotes as CommonMark, goldmark and cmark-gfm have them; `commonmark` reads what is in them.

Each takes its lines: what is indented far enough, and what goes on lazily with a paragraph in it. Sources: CommonMark
0.31 section 5; goldmark's extension/definition_list.go and footnote.go.
"""

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from newsletter.compose.markdown.blocks import TIGHT
from newsletter.compose.markdown.lines import DEFINITION, ITEM, RULE, lead, strip

if TYPE_CHECKING:
    from newsletter.compose.markdown.commonmark import CommonMark


def read_list(reader: "CommonMark", parent: Element, lines: list[str], at: int, first: int, base: int) -> int:
    opening = ITEM.match(lead(lines[at], base)[1])
    assert opening is not None
    mark = opening[1] or opening[3]
    box = SubElement(parent, "ul" if opening[1] else "ol")
    if opening[2] and int(opening[2]) != 1:
        box.set("start", str(int(opening[2])))
    loose = False
    while at < len(lines):
        width, text = lead(lines[at], base)
        item = ITEM.match(text) if width < 4 else None
        if item is None or (item[1] or item[3]) != mark or RULE.match(text):
            break
        inner, column, end = _item(reader, lines, at, width, text, item, base)
        while inner and not inner[-1].strip(" \t"):
            inner.pop()
        filled = SubElement(box, "li")
        loose = _fill(reader, filled, inner, first + at, column) or loose
        blank = end > at and not lines[end - 1].strip(" \t")
        apart = reader.trailing or (blank and not (reader.github and _ruled(filled)))
        if apart and end < len(lines):
            width, text = lead(lines[end], base)
            again = ITEM.match(text) if width < 4 and not RULE.match(text) else None
            loose = loose or (again is not None and (again[1] or again[3]) == mark)
        at = end
    cut = reader.defined and at < len(lines) and bool(lines[at - 1].strip(" \t"))
    if not (loose or cut):  # cmark-gfm still counts the definitions that another block cuts off
        for item_element in box:
            for child in item_element:
                if child.tag == "p" and not child.attrib:
                    child.set(TIGHT, TIGHT)
    return at


def _fill(reader: "CommonMark", item: Element, inner: list[str], first: int, column: int) -> bool:
    """Read an item's lines; whether blank lines stand between its blocks."""
    if inner and (task := re.match(r"\[([ xX])\](?=[ \t]+\S)", inner[0])):
        inner[0] = ("☐" if task[1] == " " else "☑") + inner[0][3:]
    reader.trailing = reader.defined = False
    return reader.read(item, inner, first, column) if inner else False


def _ruled(element: Element) -> bool:
    """Whether a rule ends `element`, or the last list in it: cmark-gfm forgets the blank line behind one."""
    last = element[-1] if len(element) else None
    return last is not None and (last.tag == "hr" or (last.tag in {"ul", "ol", "li"} and _ruled(last)))


def _item(
    reader: "CommonMark", lines: list[str], at: int, width: int, text: str, item: re.Match[str], base: int
) -> tuple[list[str], int, int]:
    """The lines in an item, the column they begin in, and the line that follows."""
    marker = width + item.end()
    spaces, rest = lead(text[item.end() :], base + marker)
    content = marker + (1 if not rest or spaces > 4 else spaces)
    head = strip(text[item.end() :], content - marker, base + marker)
    inner = [head if rest else ""]
    state = reader.open_paragraph((base + content) % 4)
    state.feed(inner[0])
    end = at + 1
    if not rest and end < len(lines) and not lines[end].strip(" \t"):
        while end < len(lines) and not lines[end].strip(" \t"):
            end += 1
        return inner, (base + content) % 4, end
    while end < len(lines):
        line = lines[end]
        if not line.strip(" \t"):
            inner.append("")
        else:
            inward, words = lead(line, base)
            if inward >= content:
                inner.append(strip(line, content, base))
            elif state.open and not (inward < 4 and reader.breaks_off(words)):
                inner.append(reader.lazily(inward, words))
            else:
                break
        state.feed(inner[-1])
        end += 1
    return inner, (base + content) % 4, end


def read_footnote(
    reader: "CommonMark", parent: Element, lines: list[str], at: int, first: int, base: int, match: re.Match[str]
) -> int:
    inner, state = [match[2].strip(" \t")], reader.open_paragraph()
    state.feed(inner[0])
    end = at + 1
    while end < len(lines):
        width, text = lead(lines[end], base)
        if not text or width >= 4:
            inner.append(strip(lines[end], 4, base))
        elif state.open and not reader.breaks_off(text):
            inner.append(reader.lazily(width, text))
        else:
            break
        state.feed(inner[-1])
        end += 1
    reader.footnote(match[1], inner, first + at)
    reader.forgotten = True
    reader.parted = parent[-1] if len(parent) else None  # a footnote parts two lists of definitions
    return end


def read_definitions(
    reader: "CommonMark", parent: Element, terms: list[str], lines: list[str], at: int, first: int, base: int
) -> int:
    """Terms and what they mean."""
    last = parent[-1] if len(parent) else None
    box = last if last is not None and last.tag == "dl" and last is not reader.parted else SubElement(parent, "dl")
    for term in terms:
        reader.add(box, "dt", term.strip(" \t"), first + at - 1)
    apart = at > 0 and not lines[at - 1].strip(" \t")
    while at < len(lines):
        width, text = lead(lines[at], base)
        match = DEFINITION.match(text) if width < 4 else None
        if match is None:
            break
        spaces, _ = lead(text[1:], base + width + 1)
        content = width + 1 + (spaces if spaces <= 4 else 1)
        inner, state = [strip(text[1:], content - width - 1, base + width + 1)], reader.open_paragraph()
        state.feed(inner[0])
        end = at + 1
        while end < len(lines):
            inward, words = lead(lines[end], base)
            if not words or inward >= min(content, 4):
                inner.append(strip(lines[end], min(content, 4), base))
            elif state.open and not reader.breaks_off(words) and not DEFINITION.match(words):
                inner.append(reader.lazily(inward, words))
            else:
                break
            state.feed(inner[-1])
            end += 1
        trailing = not inner[-1].strip(" \t")
        while not inner[-1].strip(" \t"):
            inner.pop()
        body = SubElement(box, "dd")
        reader.read(body, inner, first + at, (base + content) % 4)
        early = body if reader.md.grammar.goldmark else body[:1]  # goldmark takes the first paragraph, wherever
        opening = next((child for child in early if child.tag == "p" and not child.attrib), None)
        if not apart and opening is not None:
            opening.set(TIGHT, TIGHT)
        apart, at = trailing, end
    reader.forgotten = True
    return at
