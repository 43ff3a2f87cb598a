"""Read blocks as kramdown with its GFM parser has them, for Jekyll's posts.

kramdown's grammar is CommonMark's elder: a block must begin after a blank line unless it is of the kinds that end a
paragraph, an item takes whatever lines follow it, and HTML is read up to its closing tag. Written after kramdown
2.4's own parsers (lib/kramdown/parser, MIT) and kramdown-parser-gfm 1.1.
"""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, ElementTree, SubElement

from newsletter.compose.markdown.blocks import RAW, Blocks, normal_label
from newsletter.compose.markdown.extras import (
    ADMONITION,
    ALERT,
    FOOTNOTE,
    abbreviation,
    assign,
    expanded,
    extension,
    math,
)
from newsletter.compose.markdown.kramdown_lists import (
    ATTRIBUTES,
    BLANK,
    DEFINITION,
    END,
    OL,
    UL,
    read_definitions,
    read_list,
)
from newsletter.compose.markdown.lines import RULE, lead, strip
from newsletter.compose.markdown.raw_html import RawElement, element_at, ends_paragraph, html_element, markdown_tags
from newsletter.compose.markdown.tables import kramdown_table

MOST_UNCLOSED = 100
"""Raw HTML tags without an end that are looked for; after that many, a tag is taken to stand alone."""

_NAMES = re.compile(r" {0,3}\{:([\w.-]+):([^}\n]+)\}\s*\Z")
_ATX = re.compile(r"(#{1,6})[\t ]+(.*)\Z")
_BARE_ATX = re.compile(r"(#{1,6})[\t ]*([^ \t].*)\Z")  # without GFM
_SETEXT = re.compile(r"([-=])[-=]*[ \t]*\Z")
_QUOTE = re.compile(r"\A {0,3}> ?")
_FENCE = re.compile(r" {0,3}(~{3,}|`{3,})\s*?((\S+?)(?:\?\S*)?)?\s*\Z")
_TILDES = re.compile(r"(~{3,})\s*?((\S+?)(?:\?\S*)?)?\s*\Z")  # without GFM
_LINK = re.compile(
    r" {0,3}\[([^\n\]]+)\]:[ \t]*(?:<(.*?)>|([^\n]*?\S[^\n]*?))"
    r"(?:(?:[ \t]*?\n|[ \t]+?)[ \t]*?([\"'])(.+?)\4)?[ \t]*?\n"
)
_CODE = re.compile(r"\A(?:\t|    )")


class Kramdown(Blocks):
    """The reader of Jekyll's posts."""

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:  # noqa: N802
        self.pending = ""  # attributes that wait for the next block
        self.assigned: list[tuple[Element, str]] = []
        self.named: dict[str, str] = {}
        return super().parseDocument(lines)

    def blocks(self, parent: Element, lines: list[str], first: int, base: int) -> bool:
        self.parse(parent, lines, first)
        if self.depth == 1:  # what a name stands for may be said further down
            self._assign()
        parent[:] = [child for child in parent if child.tag not in {BLANK, END}]
        return False

    def parse(self, parent: Element, lines: list[str], first: int) -> None:
        """Read `lines` into `parent`, with marks for blank lines and ends of blocks."""
        lines = list(lines)
        at, unclosed = 0, 0
        outer, self.pending = self.pending, ""
        while at < len(lines):
            self.check(first + at)
            pending, line = self.pending, lines[at]
            text = line.lstrip(" ")
            if not line.strip(" \t"):
                if not len(parent) or parent[-1].tag != BLANK:
                    SubElement(parent, BLANK)
                at += 1
            elif line[:1] in "\t " and _CODE.match(line):
                at = self._indented(parent, lines, at)
            # A thousand tags that never close are looked at once each, not a thousand times.
            elif text[0] == "<" and (element := self._element(lines, at, text, unclosed < MOST_UNCLOSED)):
                unclosed += element.unclosed
                if element.inner is not None:
                    self.markdown_inside(parent, element, first + at)
                elif element.html:
                    self._raw_around(parent, element.html, first + at)
                else:
                    SubElement(parent, END).text = "comment"
                at = element.end
                if element.rest:
                    lines[at] = element.rest
                elif element.blank:
                    SubElement(parent, BLANK)
            else:
                at = self._block(parent, lines, at, first, text)
            if pending and len(parent) and parent[-1].tag not in {BLANK, END}:
                self.assigned.append((parent[-1], pending))
                self.pending = ""
        self.pending = outer

    def _raw_around(self, parent: Element, html: str, line: int) -> None:
        """HTML as it is, around elements in it with markdown="1"."""
        done = counted = unclosed = 0
        for start in markdown_tags(html, 1):  # the first of its tags is not asked
            if start < done:
                continue
            self.check(line)
            found = element_at(html, start, look_for_end=unclosed < MOST_UNCLOSED)
            if found is not None and found.inner is not None:
                self.raw(parent, html[done:start])
                line, counted = line + html.count("\n", counted, start), start
                self.markdown_inside(parent, found, line)
                done = found.stop
                while html[done : done + 1] in {" ", "\t"}:
                    done += 1
                done += html[done : done + 1] == "\n"
            elif found is not None:
                unclosed += found.unclosed
        self.raw(parent, html[done:])

    def _element(self, lines: list[str], at: int, text: str, look_for_end: bool) -> RawElement | None:
        inside = self.md.grammar.markdown_in_html
        return html_element(lines, at, text, look_for_end=look_for_end, markdown_inside=inside)

    def _block(self, parent: Element, lines: list[str], at: int, first: int, text: str) -> int:
        """Read the block on line `at`; the line that follows it."""
        line = lines[at]
        start = text[0]
        ready = (
            not len(parent)
            or parent[-1].tag == BLANK
            or (parent[-1].tag == END and parent[-1].text is None)
            or bool(self.pending)
        )
        if start in "~`" and (end := self._fence(parent, lines, at)):
            return end
        if start == ">":
            return self._quote(parent, lines, at, first)
        grammar = self.md.grammar
        if start == "#" and (ready or not grammar.lists_in_paragraphs) and (match := self._atx(line)):
            written, name = _named(match[2].rstrip())
            written = re.sub(r"[\t ]#+\Z" if not grammar.lists_in_paragraphs else r"(?<!\\)#+\Z", "", written).rstrip()
            if written:
                self._heading(parent, len(match[1]), written, name, first + at)
                return at + 1
        if start in "-*_" and len(line) - len(text) < 4 and RULE.match(text):
            SubElement(parent, "hr")
            return at + 1
        if UL.match(line) or OL.match(line):
            return read_list(self, parent, lines, at, first)
        if start == ":" and DEFINITION.match(line) and (end := read_definitions(self, parent, lines, at, first)):
            return end
        if ready and at + 1 < len(lines) and (under := _SETEXT.match(lines[at + 1])):
            written, name = _named(text.rstrip())
            self._heading(parent, 2 if under[1] == "-" else 1, written, name, first + at)
            return at + 2
        if start == "$" and ready and (end := math(self, parent, lines, at, text)):
            return end
        if "|" in line and ready and (table := kramdown_table(lines, at)):
            table.write(self, parent, first + at)
            return at + table.lines
        if start in "[*{!?^" and (end := self._special(parent, lines, at, first, text)):
            return end
        return self._paragraph(parent, lines, at, first)

    def _special(self, parent: Element, lines: list[str], at: int, first: int, text: str) -> int:
        """Definitions of links, footnotes and abbreviations, attributes, extensions, notes; 0 where there is none."""
        if match := FOOTNOTE.match(text):
            return self._footnote(parent, lines, at, first, match)
        if text[0] == "[":
            found = _LINK.match("\n".join(lines[at : at + 2]) + "\n")
            if found is None or re.search(r"[ \t][\"']", found[3] or ""):
                return 0
            href = found[2] if found[2] is not None else found[3].strip(" \t")
            self.md.references[normal_label(found[1], fold=False)] = (href, found[5] or "")
            SubElement(parent, END).text = "definition"
            return at + found[0].count("\n")
        if abbreviation(text, self.md.abbreviations):
            SubElement(parent, END).text = "definition"
            return at + 1
        if text.rstrip() == "^":
            SubElement(parent, END)
            return at + 1
        if end := extension(self, parent, lines, at, text):
            return end
        if match := ATTRIBUTES.match(lines[at]):
            self._attributes(parent, match[1], at + 1 < len(lines) and ATTRIBUTES.match(lines[at + 1]) is not None)
            return at + 1
        if match := _NAMES.match(lines[at]):
            self.named[match[1]] = f"{self.named.get(match[1], '')} {match[2]}"
            SubElement(parent, END).text = "names"
            return at + 1
        if match := ADMONITION.match(text):
            end = at + 1
            while end < len(lines) and (not lines[end].strip(" \t") or lead(lines[end])[0] >= 4):
                end += 1
            title = match[1].split()[0].capitalize() if match[2] is None else match[2][1:-1]
            self.admonition(parent, match[1], title, [strip(line, 4) for line in lines[at + 1 : end]], first + at + 1)
            return end
        return 0

    # -- leaves

    def _paragraph(self, parent: Element, lines: list[str], at: int, first: int) -> int:
        start = at
        at += 1
        while at < len(lines) and not self._ends_paragraph(lines[at]):
            at += 1
        # Blanks at a line's end may break it; those before a word are nothing, here as in a browser.
        text = "\n".join(line.lstrip(" \t") for line in lines[start:at]).rstrip()
        before = parent[-1] if len(parent) else None
        if before is not None and before.tag == "p" and before.get(RAW) is None:
            broken = "  " if start and lines[start - 1].endswith("  ") else ""
            before.text = f"{before.text}{broken}\n{text}"
        else:
            self.add(parent, "p", text, first + start)
        return at

    def _ends_paragraph(self, line: str) -> bool:
        text = line.lstrip(" ")
        if not text.strip(" \t"):
            return True
        start, indent = text[0], len(line) - len(text)
        if self.md.grammar.lists_in_paragraphs and start in "~`#>":
            return False
        if start == "{":
            return bool(ATTRIBUTES.match(line)) or bool(re.match(r" {0,3}\{::?/?\w*[^}\n]*\}", line))
        if start == "^":
            return line.rstrip() == "^"
        if indent > 3:
            return False
        if start == "<":
            return ends_paragraph(text)
        if start in "~`":
            return bool(re.match(r"[~`]{3,}", text))
        if start == "#":
            return _ATX.match(line) is not None
        if start == ":":
            return DEFINITION.match(line) is not None
        item = UL.match(line) is not None or OL.match(line) is not None
        return start == ">" or (item and not self.md.grammar.lists_in_paragraphs)

    def _heading(self, parent: Element, level: int, text: str, name: str, line: int) -> None:
        element = self.add(parent, f"h{level}", text, line)
        if name:
            element.set("id", name)

    def _indented(self, parent: Element, lines: list[str], at: int) -> int:
        code: list[str] = []
        while at < len(lines):
            line = lines[at]
            if not line.strip(" \t"):
                following = next((other for other in lines[at:] if other.strip(" \t")), "")
                if not _CODE.match(following):
                    break
                code.append(_CODE.sub("", line, count=1))
            elif _CODE.match(line):
                code.append(_CODE.sub("", line, count=1))
            elif code[-1].strip(" \t") and not self._ends_code(line):
                code[-1] += " " + line  # a line further left goes on with the one before
            else:
                break
            at += 1
        self.code(parent, "\n".join(code))
        return at

    @staticmethod
    def _ends_code(line: str) -> bool:
        text = line.lstrip(" ")
        return bool(ATTRIBUTES.match(line)) or line.rstrip() == "^" or (text[0] == "<" and ends_paragraph(text))

    def _fence(self, parent: Element, lines: list[str], at: int) -> int:
        gfm = self.md.grammar.gfm
        match = (_FENCE if gfm else _TILDES).match(lines[at])
        if match is None:
            return 0
        run, info = match[1], match[3] or ""
        for length in range(len(run), 2, -1):  # where no line is as long, the rest of the marks is a language
            mark = re.compile(rf" {{0,{3 if gfm else 0}}}{re.escape(run[0])}{{{length},}}\s*\Z")
            end = next((n for n in range(at + 1, len(lines)) if mark.match(lines[n])), None)
            if end is not None:
                self.code(parent, "\n".join(lines[at + 1 : end]), info)
                return end + 1
            if match[2] and lines[at].rstrip().endswith(f" {match[2]}"):
                break
        return 0

    # -- containers

    def _quote(self, parent: Element, lines: list[str], at: int, first: int) -> int:
        start = at
        at += 1
        while at < len(lines) and not self._ends_lazily(lines[at]):
            at += 1
        inner = [_QUOTE.sub("", line, count=1) for line in lines[start:at]]
        alert = ALERT.match(inner[0].strip(" \t"))
        self.quote(parent, inner[1:] if alert else inner, first + start + bool(alert), alert[1] if alert else "")
        return at

    @staticmethod
    def _ends_lazily(line: str) -> bool:
        text = line.lstrip(" ")
        return (
            not text.strip(" \t")
            or ATTRIBUTES.match(line) is not None
            or line.rstrip() == "^"
            or (text[0] == "<" and len(line) - len(text) < 4 and ends_paragraph(text))
        )

    def _footnote(self, parent: Element, lines: list[str], at: int, first: int, match: re.Match[str]) -> int:
        """A footnote's first line, then what is indented; other lines go on with an indented one."""
        start, inner = at, [match[2].strip(" \t")]
        at += 1
        while at < len(lines):
            ahead = at
            while ahead < len(lines) and not lines[ahead].strip(" \t"):
                ahead += 1
            if ahead == len(lines) or not _CODE.match(lines[ahead]):
                break
            inner.extend([""] * (ahead - at))
            at = ahead
            while (
                at < len(lines)
                and lines[at].strip(" \t")
                and (_CODE.match(lines[at]) or not self._ends_code(lines[at]))
            ):
                inner.append(_CODE.sub("", lines[at], count=1))
                at += 1
        self.footnote(match[1], inner, first + start)
        SubElement(parent, END).text = "definition"
        return at

    def _attributes(self, parent: Element, written: str, more: bool) -> None:
        """`{: .class}` behind a block, or before one; `{:toc}` takes the list before it away."""
        last = parent[-1] if len(parent) else None
        if last is None or last.tag == BLANK or (last.tag == END and last.text != "definition"):
            self.pending = f"{self.pending} {written}"
            return
        if last.tag in {"ul", "ol"} and re.match(r"\s*toc\b", written):
            parent.remove(last)
        elif last.tag != END:
            self.assigned.append((last, written))
        if not more:
            SubElement(parent, END).text = "attributes"

    def _assign(self) -> None:
        """Give elements the attributes that were written for them."""
        for element, written in self.assigned:
            if element in self.codes:
                found = re.search(r"(?:\A|\s)\.language-([^\s.#]+)", expanded(written, self.named))
                if found:
                    self.colour(element, found[1])
            elif element.get(RAW) is None:
                assign(element, expanded(written, self.named))
        self.assigned.clear()

    def _atx(self, line: str) -> re.Match[str] | None:
        return (_ATX if self.md.grammar.gfm else _BARE_ATX).match(line)


def _named(text: str) -> tuple[str, str]:
    """A heading's text and the id at its end."""
    match = re.search(r"[\t ]\{#([A-Za-z_][\w.:-]*)\}\Z", text)
    return (text[: match.start()].rstrip(), match[1]) if match else (text, "")
