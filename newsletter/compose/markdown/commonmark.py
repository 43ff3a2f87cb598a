"""Read blocks as CommonMark and GFM have them, for Hugo sites and plain folders.

Containers (quotes, list items, footnotes, definitions) take their lines, which are then read in turn. Hugo's
extensions are on: tables, definition lists, footnotes, attributes of headings. Plain folders also take kramdown's
attributes, mathematics and tables without a header. Sources: CommonMark 0.31, sections 4 and 5; GFM's tables; goldmark.
"""

import re
from xml.etree.ElementTree import Element, SubElement

from newsletter.compose.markdown.blocks import Blocks
from newsletter.compose.markdown.commonmark_lists import read_definitions, read_footnote, read_list
from newsletter.compose.markdown.extras import (
    ADMONITION,
    ALERT,
    ATTRIBUTES,
    FOOTNOTE,
    GOLDMARK_ATTRIBUTES,
    abbreviation,
    extension,
    math,
)  # fmt: skip
from newsletter.compose.markdown.lines import (
    ATX,
    DEFINITION,
    ITEM,
    RULE,
    SETEXT,
    OpenParagraph,
    closes,
    lazily,
    lead,
    opens_fence,
    strip,
)
from newsletter.compose.markdown.raw_html import html_block, html_element
from newsletter.compose.markdown.tables import gfm_table, headless_table


class CommonMark(Blocks):
    """The reader of Hugo's posts and of plain ones."""

    parted: Element | None = None  # what the last footnote stands behind
    trailing = False  # whether what was read last ends in a blank line with nothing but definitions behind it
    defined = False  # whether what was read last ends in definitions behind a blank line
    forgotten = False  # whether goldmark forgets the blank line before the last block: tables, definitions, footnotes

    def blocks(self, parent: Element, lines: list[str], first: int, base: int) -> bool:
        at, spread, blank, any_before = 0, False, False, False
        self.defined = False
        while at < len(lines):
            if not lines[at].strip(" \t"):
                blank, at = any_before, at + 1
                continue
            self.check(first + at)
            self.forgotten, before = False, len(parent)
            ruled = len(parent) > 0 and parent[-1].tag == "hr"  # cmark-gfm forgets the blank line behind a rule
            at = self._block(parent, lines, at, first, base)
            if len(parent) == before and not self.forgotten and self.github:
                while at < len(lines) and not lines[at].strip(" \t"):  # definitions are gone, blank lines behind too
                    at += 1
                self.defined = blank
                continue
            self.defined = False
            spread = spread or (blank and not (self.forgotten if self.md.grammar.goldmark else ruled and self.github))
            blank, any_before = not lines[min(at, len(lines)) - 1].strip(" \t") or self._trails(parent), True
        self.trailing = blank
        return spread

    @property
    def github(self) -> bool:
        """Whether blank lines are what cmark-gfm makes of them."""
        return self.md.grammar.kramdown

    def _trails(self, parent: Element) -> bool:
        """Whether the last block is a list that ends in a blank line with nothing but definitions behind it."""
        return self.trailing and len(parent) > 0 and parent[-1].tag in {"ul", "ol"}

    def _block(self, parent: Element, lines: list[str], at: int, first: int, base: int) -> int:
        """Read the block on line `at`; the line that follows it."""
        width, text = lead(lines[at], base)
        if width >= 4:
            return self._indented(parent, lines, at, base)
        start = text[0]
        if start in "`~" and (fence := opens_fence(text)):
            return self._fence(parent, lines, at, width, fence, base)
        if start == "#" and (heading := ATX.match(text)):
            written = re.sub(r"(?:\A|[ \t]+)#+\Z", "", heading[2] or "")
            self.add(parent, f"h{len(heading[1])}", written, first + at)
            return at + 1
        if start == ">":
            return self._quote(parent, lines, at, first, base)
        if start in "-*_" and RULE.match(text):
            SubElement(parent, "hr")
            return at + 1
        if ITEM.match(text):
            return read_list(self, parent, lines, at, first, base)
        if start == "<" and self.md.grammar.kramdown and "markdown=" in text:
            found = html_element(lines, at, text, look_for_end=True)
            if found is not None and found.inner is not None and not found.rest:
                self.markdown_inside(parent, found, first + at)
                return found.end
        if start == "<" and (end := html_block(lines, at, text)):
            html = "\n".join(lines[at:end])
            self.raw(parent, html if self.md.grammar.unsafe else "")
            return end
        if start in "[!?*{$|:":
            end = self._extra(parent, lines, at, first, base, text)
            if end:
                return end
        return self._paragraph(parent, lines, at, first, base)

    def _extra(self, parent: Element, lines: list[str], at: int, first: int, base: int, text: str) -> int:
        """Blocks that are extensions; 0 where there is none."""
        if match := FOOTNOTE.match(text):
            return read_footnote(self, parent, lines, at, first, base, match)
        if match := ADMONITION.match(text):
            end = self._indented_part(lines, at + 1, base)
            inner = [strip(line, 4, base) for line in lines[at + 1 : end]]
            title = match[1].split()[0].capitalize() if match[2] is None else match[2][1:-1]
            self.admonition(parent, match[1], title, inner, first + at + 1)
            return end
        if abbreviation(text, self.md.abbreviations):
            return at + 1
        if self.md.grammar.attributes and GOLDMARK_ATTRIBUTES.match(text):
            return at + 1
        if self.md.grammar.kramdown:
            if end := extension(self, parent, lines, at, text) or math(self, parent, lines, at, text):
                return end
            if ATTRIBUTES.match(text):
                self._attributes(parent, text)
                return at + 1
        return 0

    # -- leaves

    def _indented(self, parent: Element, lines: list[str], at: int, base: int) -> int:
        code: list[str] = []
        end = at
        for number in range(at, len(lines)):
            if lines[number].strip(" \t"):
                if lead(lines[number], base)[0] < 4:
                    break
                end = number + 1
            code.append(strip(lines[number], 4, base))
        self.code(parent, "\n".join(code[: end - at]))
        return end

    def _fence(self, parent: Element, lines: list[str], at: int, width: int, fence: re.Match[str], base: int) -> int:
        code: list[str] = []
        at += 1
        while at < len(lines) and not closes(lines[at], fence[1], base):
            code.append(strip(lines[at], width, base))
            at += 1
        self.code(parent, "\n".join(code), fence[2])
        return at + 1

    def _paragraph(self, parent: Element, lines: list[str], at: int, first: int, base: int) -> int:
        start = at
        texts: list[str] = []
        while at < len(lines) and lines[at].strip(" \t"):
            width, text = lead(lines[at], base)
            if at > start and width < 4:
                if SETEXT.match(text) and (heading := self.definitions("\n".join(texts))).strip(" \t"):
                    self.add(parent, "h1" if text[0] == "=" else "h2", heading.strip(" \t"), first + start)
                    return at + 1
                if self.interrupts(text):
                    break
                if text[0] == "{" and self.md.grammar.kramdown and ATTRIBUTES.match(text):
                    texts.append(text.strip(" \t"))
                    at += 1
                    break
            if text[0] == ":" and width == 0 and texts and self._defines(text):
                break
            if width < 4 and (self.md.grammar.goldmark or "|" in text or self._underlined(lines, at)):
                end = self._table(parent, lines, at, first, base, texts, first + start)
                if end:
                    return end
            texts.append(text)
            at += 1
        ahead = at + 1 if at < len(lines) and not lines[at].strip(" \t") else at
        if ahead < len(lines) and self._defines(lines[ahead]) and (terms := self.definitions("\n".join(texts))):
            return read_definitions(self, parent, terms.split("\n"), lines, ahead, first, base)
        self._end_paragraph(parent, texts, first + start)
        return at

    def _end_paragraph(self, parent: Element, texts: list[str], line: int) -> None:
        text = self.definitions("\n".join(texts)) if texts and texts[0].startswith("[") else "\n".join(texts)
        if text.strip(" \t"):
            self.add(parent, "p", text.strip(" \t"), line)

    def interrupts(self, text: str) -> bool:
        """Whether a block begins with `text` that a paragraph gives way to."""
        start = text[0]
        if start in "`~":
            return opens_fence(text) is not None
        if start == "#":
            return ATX.match(text) is not None
        if start == ">" or (start in "-*_" and RULE.match(text)):
            return True
        if start == "<":
            return html_block([text], 0, text, in_paragraph=True) > 0
        if start == "[":
            return FOOTNOTE.match(text) is not None
        if start == "{":
            return self.md.grammar.attributes and GOLDMARK_ATTRIBUTES.match(text) is not None
        item = ITEM.match(text)
        return item is not None and bool(text[item.end() :].strip(" \t")) and (bool(item[1]) or item[2] == "1")

    def open_paragraph(self, base: int = 0) -> OpenParagraph:
        """What tells whether lines that begin in column `base` leave a paragraph open."""
        grammar = self.md.grammar
        return OpenParagraph(
            self.interrupts,
            base,
            definitions=grammar.definitions,
            table=lambda above, text: not grammar.goldmark and gfm_table([above, text], 0, lax=False) is not None,
        )

    def lazily(self, width: int, text: str) -> str:
        """A line, without its `width` columns of blanks, that goes on with a paragraph."""
        return lazily(width, text, tables=self.md.grammar.goldmark)

    def _defines(self, text: str) -> bool:
        return self.md.grammar.definitions and DEFINITION.match(text) is not None

    def breaks_off(self, text: str) -> bool:
        """Whether `text`, outside of a container whose paragraph is open, is more than the paragraph going on."""
        return (
            self.interrupts(text)
            or ITEM.match(text) is not None
            or (not self.md.grammar.goldmark and text[0] == "<" and html_block([text], 0, text) > 0)
            or (self.md.grammar.kramdown and ATTRIBUTES.match(text) is not None)
        )

    @staticmethod
    def _underlined(lines: list[str], at: int) -> bool:
        """Whether the next line may make a table of one column of line `at`."""
        return at + 1 < len(lines) and not set(lines[at + 1]).isdisjoint("|:")

    def _ends_table(self, text: str) -> bool:
        """Whether `text` is no row: goldmark has taken the paragraph for a table before its underline could hold."""
        return SETEXT.match(text) is not None or self._defines(text) or self.interrupts(text)

    def _table(
        self, parent: Element, lines: list[str], at: int, first: int, base: int, texts: list[str], line: int
    ) -> int:
        """A table on line `at`, after the lines of a paragraph; 0 where there is none."""
        table = gfm_table(lines, at, lax=self.md.grammar.goldmark)
        if table is None and self.md.grammar.kramdown and not texts:
            table = headless_table(lines, at)
        if table is None:
            return 0
        before = len(parent)
        self._end_paragraph(parent, texts, line)
        self.forgotten = len(parent) == before
        breaks = self._ends_table if self.md.grammar.goldmark else self.breaks_off
        end = at + table.lines
        for number in range(at + 1, at + table.lines):  # another block ends it
            width, text = lead(lines[number], base)
            ends = breaks(text) if width < 4 else not self.md.grammar.goldmark
            if number > at + (1 if table.head else 0) and ends:
                end = number
                break
        table.rows = table.rows[: max(end - at - (2 if table.head else 0), 0)]
        table.write(self, parent, first + at)
        return end

    # -- containers

    def _quote(self, parent: Element, lines: list[str], at: int, first: int, base: int) -> int:
        inner: list[str] = []
        column = (base + lead(lines[at], base)[0] + 2) % 4
        start, state = at, self.open_paragraph(column)
        while at < len(lines) and lines[at].strip(" \t"):
            width, text = lead(lines[at], base)
            if width < 4 and text.startswith(">"):
                line = strip(text[1:], 1, base + width + 1)
                inner.append(line if state.fence else _moved(line, base + width + 2, column))
            elif state.open and not (width < 4 and self.breaks_off(text)):
                inner.append(self.lazily(width, text))
            else:
                break
            state.feed(inner[-1])
            at += 1
        alert = ALERT.match(inner[0].strip(" \t"))
        self.quote(
            parent, inner[1:] if alert else inner, first + start + bool(alert), alert[1] if alert else "", column
        )
        return at

    def _indented_part(self, lines: list[str], at: int, base: int) -> int:
        """The end of the lines from `at` on that are indented by four columns, or blank."""
        end = at
        while at < len(lines) and (not lines[at].strip(" \t") or lead(lines[at], base)[0] >= 4):
            at += 1
            end = at if lines[at - 1].strip(" \t") else end
        return end

    def _attributes(self, parent: Element, text: str) -> None:
        """kramdown's `{: .class}` after a block: kept for headings; `{:toc}` takes the list before it away."""
        last = parent[-1] if len(parent) else None
        if last is None:
            return
        if re.match(r"\{:\s*toc\b", text):
            parent.remove(last)
        elif re.fullmatch(r"h[1-6]", last.tag) and "{" not in (last.text or ""):
            last.text = f"{last.text} {text.rstrip()}"


def _moved(line: str, column: int, other: int) -> str:
    """`line`, which begins in `column`, as it is written in the column `other`, where its first tabs stop elsewhere.

    A tab behind four blanks stays one, for code.
    """
    width, text = lead(line, column)
    return line if line.startswith("    ") or width == lead(line, other)[0] else " " * width + text
