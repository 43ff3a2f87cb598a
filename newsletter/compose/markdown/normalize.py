"""Rewrite Markdown blocks so that python-markdown sees what kramdown, GFM and CommonMark see.

python-markdown wants nested content at four spaces and blank lines around blocks; people write for parsers that don't.
Lines are read by CommonMark's rules for containers (list items, quotes, footnotes, definitions) and written out again
at four spaces a level, with blank lines between blocks. Fenced code and raw HTML blocks are handed to `stash`, which
gives a word that stands for them. kramdown's own syntax (`{: }`, `{:: }`, `$$`) is honoured or removed here. Inline
Markdown is not touched. Sources: CommonMark 0.31 sections 4 and 5; kramdown's syntax page.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from newsletter.compose.markdown.raw_html import Dialect, RawHtml, opens_html, read_html

DEEPEST = 20
"""Quotes and lists inside one another at most; deeper ones are text."""

MOST_UNCLOSED = 100
"""Raw HTML tags without an end that are looked for; after that many, a tag is taken to stand alone."""

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^\n]*?)[ \t]*\Z")
_RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}[ \t]*\Z")
_ATX = re.compile(r"#{1,6}(?:[ \t]|\Z)")
_ITEM = re.compile(r"(?:([-*+])|(\d{1,9})([.)]))(?:([ \t]+)(.*)|\Z)")
_TASK = re.compile(r"\[([ xX])\](?=[ \t])")
_DEFINITION = re.compile(r":([ \t]+)(\S.*)")
_FOOTNOTE = re.compile(r"\[\^([^\]\s]+)\]:[ \t]*(.*)")
_ADMONITION = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+([\w-]+(?: +[\w-]+)*)(?:[ \t]+(\"[^\"]*\"))?[ \t]*\Z")
_ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*\Z", re.IGNORECASE)
_DELIMITER = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_FOOTER = re.compile(r"[|+: \t]*=[|+: \t=]*\Z")  # kramdown's line between a table's rows and its foot
_CELLS = re.compile(r"\A[^\n`|]*(?:`[^`]*`[^\n`|]*)*(?<!\\)[ \t]\|[ \t]")  # words, a bar between blanks, words
_SETEXT = re.compile(r"(=+|-+)[ \t]*\Z")
_ATTRIBUTES = re.compile(r"\{:(?!:)[^\n]*\}[ \t]*\Z")
_EXTENSION = re.compile(r"\{::(\w+)[^}\n]*?(/?)\}")


@dataclass(frozen=True, slots=True)
class Container:
    """A list item, footnote, definition or admonition that is open."""

    kind: str  # "-", "1", ":", "^", "!"
    marker: int  # the column of its marker
    content: int  # the column that its content starts at


Stash = Callable[[str, str], str]
"""Takes ("html", raw HTML) or (a fence's info string, code), gives the word that stands for it."""


def normalise(lines: Sequence[str], stash: Stash, dialect: Dialect, depth: int = 0) -> list[str]:
    """`lines` (tabs expanded) as python-markdown wants them."""
    return _Blocks(list(lines), stash, dialect, depth).run()


class _Blocks:
    def __init__(self, lines: list[str], stash: Stash, dialect: Dialect, depth: int) -> None:
        self.lines, self.stash, self.dialect, self.depth = lines, stash, dialect, depth
        self.at = 0
        self.out: list[str] = []
        self.stack: list[Container] = []
        self.paragraph = 0  # lines of the open paragraph
        self.first = False  # whether that paragraph stands on an item's marker line
        self.unclosed = 0  # tags of raw HTML
        self.heading = -1  # where the heading just written stands in `out`

    def run(self) -> list[str]:
        while self.at < len(self.lines):
            self._line()
        return self.out

    # -- writing

    @property
    def prefix(self) -> str:
        return "    " * len(self.stack)

    def _blank(self) -> None:
        if self.out and self.out[-1]:
            self.out.append("")
        self.paragraph = 0

    def _block(self, *lines: str) -> None:
        """A block of its own, blank lines around it."""
        if self.first and not self.paragraph and self.out and self.out[-1].endswith("\0"):
            # The marker line waits for its first block.
            self.out[-1] = self.out[-1][:-1] + lines[0]
            lines = lines[1:]
        else:
            self._blank()
        self.out.extend(self.prefix + line if line else "" for line in lines)
        self.out.append("")
        self.paragraph, self.first = 0, False

    def _text(self, text: str) -> None:
        """A line of a paragraph."""
        if re.search(r"(?<!\\)\\{1,2}\Z", text):
            text = text.rstrip("\\") + "  "
        if self.paragraph and re.match(r"\d+[.)][ \t]", text):
            text = re.sub(r"[.)]", r"\\\g<0>", text, count=1)  # "1986. What a year" is no item
        if self.out and self.out[-1].endswith("\0"):
            self.out[-1] = self.out[-1][:-1] + text
        else:
            self.out.append(self.prefix + text)
        self.paragraph += 1

    # -- reading

    def _line(self) -> None:
        line = self.lines[self.at]
        text = line.strip()
        if not text:
            if self.out and self.out[-1].endswith("\0"):
                self.out[-1] = self.out[-1][:-1].rstrip() + " "
            self.out.append("")
            self.paragraph, self.heading, self.first = 0, -1, False
            self.at += 1
            return
        heading, self.heading = self.heading, -1
        indent = len(line) - len(line.lstrip(" "))
        if self._leave(indent, text):
            self._text(text + ("  " if line.endswith("  ") else ""))
            self.at += 1
            return
        start = self.stack[-1].content if self.stack else 0
        inner = max(indent - start, 0)
        text = line[indent:]
        if inner >= 4 and not self.paragraph:
            self._blank() if not (self.out and self.out[-1].endswith("\0")) else None
            self.out.append(self.prefix + line[start:].rstrip())
            self.at += 1
            return
        if not (
            self._attributes(text, heading)
            or self._extension(text)
            or self._fence(text, indent)
            or self._math(text)
            or self._html(text, indent)
            or self._rule(text)
            or self._heading(text)
            or self._quote(text)
            or self._item(text, indent)
            or self._contained(text, indent)
            or self._table(text)
        ):
            self._text(text)
            self.at += 1

    def _leave(self, indent: int, text: str) -> bool:
        """Close the containers that this line isn't in; True where it goes on with the open paragraph all the same."""
        keep = 0
        for container in self.stack:
            if indent < container.content:
                break
            keep += 1
        if keep == len(self.stack):
            return False
        item = _ITEM.match(text)
        if item and not _RULE.match(text):
            container = self.stack[keep]
            # A bullet two columns in is inside the number before it, whatever CommonMark's three say.
            if container.kind == "1" and item[1] and indent >= container.marker + 2:
                keep += 1
        elif self.paragraph and not self._starts_block(text):
            return True
        closed = self.stack[keep:]
        del self.stack[keep:]
        if closed and not (item and closed[0].kind == ("-" if item[1] else "1")):
            self._blank()
        elif closed:
            if (self.paragraph and not self.first) or self._stranded():
                self._blank()
            self.paragraph = 0
        return False

    def _stranded(self) -> bool:
        """Whether all lines since the last blank one belong to an item that is closed: the next one would, too."""
        start = len(self.out)
        while start and self.out[start - 1]:
            start -= 1
        return start < len(self.out) and self.out[start].startswith(self.prefix + "    ")

    def _starts_block(self, text: str) -> bool:
        item = _ITEM.match(text)
        return bool(
            (item and (item[4] and (item[1] or item[2] == "1")))
            or (_FENCE.match(text) and not (text[0] == "`" and "`" in text.lstrip("`")))
            or _ATX.match(text)
            or (_RULE.match(text) and not (_SETEXT.match(text) and self.paragraph))
            or text.startswith(">")
            or opens_html(text)
            or _FOOTNOTE.match(text)
            or _ATTRIBUTES.match(text)
            or _EXTENSION.match(text)
            or (_DEFINITION.match(text) and any(container.kind == ":" for container in self.stack))
        )

    # -- blocks

    def _attributes(self, text: str, heading: int) -> bool:
        """kramdown's `{: .class}` on a line of its own: kept for headings and paragraphs, else removed."""
        if not _ATTRIBUTES.match(text):
            return False
        self.at += 1
        if re.match(r"\{:\s*toc\b", text):
            while self.out and not self.out[-1]:
                self.out.pop()
            if self.out:
                self.out.pop()
            self.stack.clear()
            self._blank()
        elif re.match(r"\{:[\w-]+:", text):
            pass  # defines a name for attributes
        elif heading >= 0:
            if "{" not in self.out[heading]:
                self.out[heading] += " " + text
        elif self.paragraph and not self.stack:
            self.out.append(text)
            self._blank()
        return True

    def _extension(self, text: str) -> bool:
        """kramdown's `{::comment}`, `{::nomarkdown}` and `{::options /}`."""
        match = _EXTENSION.match(text)
        if match is None or self.dialect != "kramdown":
            return False
        if match[2]:
            self.at += 1
            return True
        end = re.compile(rf"\{{:/(?:{match[1]})?\}}")
        inner: list[str] = []
        rest = text[match.end() :]
        while True:
            closing = end.search(rest)
            inner.append(rest[: closing.start()] if closing else rest)
            self.at += 1
            if closing or self.at >= len(self.lines):
                break
            rest = self.lines[self.at]
        if match[1] == "nomarkdown":
            self._block(self.stash("html", "\n".join(inner)))
        return True

    def _fence(self, text: str, indent: int) -> bool:
        match = _FENCE.match(text)
        if match is None or (match[1][0] == "`" and "`" in match[2]):
            return False
        mark = match[1]
        close = re.compile(rf" {{0,{indent + 3}}}{mark[0]}{{{len(mark)},}}[ \t]*\Z")
        end = next((n for n in range(self.at + 1, len(self.lines)) if close.match(self.lines[n])), len(self.lines))
        strip = re.compile(rf" {{0,{indent}}}")
        code = [strip.sub("", line, count=1) for line in self.lines[self.at + 1 : end]]
        self._block(self.stash(match[2], "\n".join(code)))
        self.at = end + 1
        return True

    def _math(self, text: str) -> bool:
        """A block between `$$` and `$$`: shown as written, because mail has no mathematics."""
        if self.dialect != "kramdown" or not text.startswith("$$") or self.paragraph:
            return False
        inner = []
        for end in range(self.at, len(self.lines)):
            line = text if end == self.at else self.lines[end]
            if not line.strip():
                return False
            inner.append(line)
            if line.rstrip().endswith("$$") and (end > self.at or len(text.strip()) > 4):
                self._block(self.stash("html", f'<p class="math">{escape(chr(10).join(inner), quote=False)}</p>'))
                self.at = end + 1
                return True
        return False

    def _html(self, text: str, indent: int) -> bool:
        block = read_html(self.lines, self.at, text, self.dialect, look_for_end=self.unclosed < MOST_UNCLOSED)
        if block is None:
            return False
        # A thousand tags that never close are looked at once each, not a thousand times.
        self.unclosed += block.unclosed
        if block.inner is not None:
            self._markdown_inside(block)
        elif block.html:
            self._block(self.stash("html", block.html))
        self.at = block.end
        if block.rest:
            self.lines[self.at] = " " * indent + block.rest
        return True

    def _markdown_inside(self, block: RawHtml) -> None:
        """An element with markdown="1": its tags as they are, its content as Markdown."""
        inner = block.inner or ""
        if re.fullmatch(r"p|h[1-6]|dt|td|th|summary|legend|figcaption", block.name):
            self._block(block.html + " ".join(inner.split()) + block.close)
            return
        self._block(self.stash("html", block.html))
        lines = inner.strip("\n").split("\n")
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        if self.depth < DEEPEST:
            lines = normalise([line[margin:] for line in lines], self.stash, self.dialect, self.depth + 1)
        self.out.extend(self.prefix + line if line else "" for line in lines)
        self._block(self.stash("html", block.close))

    def _rule(self, text: str) -> bool:
        if self.paragraph and _SETEXT.match(text):
            if self.paragraph == 1:  # underlines a heading
                self._text(text)
                self._blank()
                self.at += 1
                return True
            if text[0] == "=" or len(text.strip()) < 3:
                return False
        if not _RULE.match(text):
            return False
        self._block("* * *")
        self.at += 1
        return True

    def _heading(self, text: str) -> bool:
        if not _ATX.match(text):
            return False
        if not text.strip("# \t"):  # nothing to head
            self.at += 1
            return True
        self._block(text.rstrip())
        self.heading = len(self.out) - 2
        self.at += 1
        return True

    def _quote(self, text: str) -> bool:
        if not text.startswith(">") or self.depth >= DEEPEST:
            return False
        inner: list[str] = []
        open_paragraph = False
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line.startswith(">"):
                line = re.sub(r"\A>[ ]?", "", self.lines[self.at].lstrip())
                open_paragraph = bool(line.strip()) and not _ATX.match(line)
            elif not line or _RULE.match(line):
                break
            elif self.dialect == "kramdown":  # whatever follows without a blank line is in the quote, a list too
                if opens_html(line) or _ATTRIBUTES.match(line) or _EXTENSION.match(line):
                    break
                line = self.lines[self.at].rstrip("\n")
            elif not open_paragraph or self._starts_block(line):
                break
            inner.append(line)
            self.at += 1
        alert = _ALERT.match(inner[0].strip())
        lines = normalise(inner[1:] if alert else inner, self.stash, self.dialect, self.depth + 1)
        if alert:
            lines = [f"!!! {alert[1].lower()}", *("    " + line if line else "" for line in lines)]
        else:
            lines = [f"> {line}".rstrip() if line.strip() else ">" for line in lines]
            lines = [line + "  " if raw.endswith("  ") else line for line, raw in zip(lines, lines, strict=True)]
        self._block(*lines)
        return True

    def _item(self, text: str, indent: int) -> bool:
        match = _ITEM.match(text)
        if match is None or len(self.stack) >= DEEPEST:
            return False
        bullet = bool(match[1])
        content = (match[5] or "").strip()
        previous = self.paragraph
        if previous and not self.stack and not (content and (bullet or match[2] == "1")):
            return False
        if previous and self.stack and not self.first and not content:
            return False
        if previous and not (self.stack and self.first):
            self._blank()
        self.paragraph = 0
        if self.out and self.out[-1].endswith("\0"):
            self.out[-1] = self.out[-1][:-1].rstrip() + " "
        width = len(match[0]) - len(match[5] or "")
        spaces = len(match[4] or "")
        if spaces > 4 or not content:
            width = width - spaces + 1
        task = _TASK.match(content)
        if task:
            content = ("☐" if task[1] == " " else "☑") + content[3:]
        marker = "-" if bullet else f"{match[2]}."
        self.out.append(f"{self.prefix}{marker.ljust(3)} \0")
        self.stack.append(Container("-" if bullet else "1", indent, indent + width))
        self.first = True
        self._first_line(content if spaces <= 4 else (match[4] or "")[1:] + content, indent + width)
        return True

    def _first_line(self, content: str, column: int) -> None:
        """What stands on a marker's line is a line like any other, at the column of the content."""
        if content:
            tail = "  " if self.lines[self.at].endswith("  ") else ""
            self.lines[self.at] = " " * column + content + tail
            self._line()
            self.first = bool(self.paragraph)
        else:
            self.at += 1

    def _contained(self, text: str, indent: int) -> bool:
        """Footnotes, definitions and admonitions: content at four spaces."""
        if match := _FOOTNOTE.match(text):
            self._blank()
            self.out.append(f"{self.prefix}[^{match[1]}]: \0")
            self.stack.append(Container("^", indent, indent + 4 if not self.stack else indent + 2))
            self.first = True
            self._first_line(match[2].strip(), self.stack[-1].content)
            return True
        if (match := _DEFINITION.match(text)) and (self.paragraph == 1 or self._after_definition()):
            if not self.paragraph:
                self._blank()
            self.paragraph = 0
            self.out.append(f"{self.prefix}:   \0")
            width = 1 + (len(match[1]) if len(match[1]) <= 4 else 1)
            self.stack.append(Container(":", indent, indent + width))
            self.first = True
            self._first_line(match[2].strip(), indent + width)
            return True
        if match := _ADMONITION.match(text):
            self._blank()
            self.out.append(f"{self.prefix}!!! {match[1]}{' ' + match[2] if match[2] else ''}")
            self.stack.append(Container("!", indent, indent + 4))
            self.paragraph, self.first = 0, False
            self.at += 1
            return True
        return False

    def _after_definition(self) -> bool:
        """Whether the last block written is a definition, or a term with a blank line after it."""
        blocks = [line for line in self.out if line]
        return bool(blocks) and (
            blocks[-1].startswith(self.prefix + ":   ")
            or (len(self.out) > 1 and not self.out[-1] and self._is_term(blocks[-1]))
        )

    def _is_term(self, line: str) -> bool:
        before = self.out[: len(self.out) - 1 - self.out[::-1].index(line)] if line in self.out else []
        return not _starts_marked(line) and (not before or not before[-1])

    def _table(self, text: str) -> bool:
        if "|" not in text:
            return False
        following = self.lines[self.at + 1].strip() if self.at + 1 < len(self.lines) else ""
        headed = "|" in following and bool(_DELIMITER.match(following))
        headless = (
            self.dialect == "kramdown"
            and not self.paragraph
            and (
                (text.startswith("|") and text.endswith("|")) or bool(_CELLS.search(text) and _CELLS.search(following))
            )
        )
        if not headed and not headless:
            return False
        rows: list[str] = []
        while self.at < len(self.lines):
            row = self.lines[self.at].strip()
            if "|" not in row or _ATTRIBUTES.match(row):
                break
            if self.dialect == "commonmark" or not _FOOTER.match(row):
                rows.append(row)
            self.at += 1
        if not headed:
            rows = [row for row in rows if not _DELIMITER.match(row)]
            columns = max((len(re.split(r"(?<!\\)\|", row.strip("|"))) for row in rows), default=0)
            if not columns:
                return True
            rows[:0] = ["|" + "   |" * columns, "|" + "---|" * columns]
        self._block(*rows)
        return True


def _starts_marked(line: str) -> bool:
    return bool(re.match(r"\s*(?:[-*+>#|]|\d+[.)]|\x02)", line))
