"""Lines: how far one is indented, what is left when a container has taken its part, and which go on lazily.

Tabs stop at every fourth column and stay tabs in what is left, because code keeps them. `base` is the column, in the
whole line, at which the text given begins. Laziness: a line goes on with a paragraph inside a quote or an item, without
that one's marks (CommonMark 0.31 section 5.1).
"""

import re
from collections.abc import Callable

from newsletter.compose.markdown.raw_html import html_block

FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^\n]*?)[ \t]*\Z")
RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}[ \t]*\Z")
ATX = re.compile(r"(#{1,6})(?:[ \t]+(.*?))?[ \t]*\Z")
ITEM = re.compile(r"(?:([-*+])|(\d{1,9})([.)]))(?=[ \t]|\Z)", re.ASCII)
DEFINITION = re.compile(r":(?=[ \t]+\S)")
SETEXT = re.compile(r"(?:=+|-+)[ \t]*\Z")
LAZY = "\x03"
"""Stands before a line that goes on with a paragraph and would else be an underline or a definition."""


def lead(line: str, base: int = 0) -> tuple[int, str]:
    """The columns of blanks that `line` begins with, and the rest of it."""
    text = line.lstrip(" \t")
    blanks = line[: len(line) - len(text)]
    if "\t" not in blanks:
        return len(blanks), text
    column = base
    for blank in blanks:
        column += 1 if blank == " " else 4 - column % 4
    return column - base, text


def strip(line: str, columns: int, base: int = 0) -> str:
    """`line` without its first `columns` columns of blanks; a tab that reaches further leaves blanks."""
    if "\t" not in line[:columns]:
        head = line[:columns]
        return line[columns:] if not head.strip(" ") else line[len(head) - len(head.lstrip(" ")) :]
    column, end, at = base, base + columns, 0
    while at < len(line) and column < end and line[at] in " \t":
        column += 1 if line[at] == " " else 4 - column % 4
        at += 1
    rest = " " * max(column - end, 0) + line[at:]
    blanks = len(rest) - len(rest.lstrip(" \t"))
    if end % 4 and "\t" in rest[:blanks]:  # the tabs that follow stop elsewhere, seen from here
        width, text = lead(line, base)
        return " " * max(width - columns, 0) + text
    return rest


def closes(line: str, mark: str, base: int = 0) -> bool:
    """Whether `line` closes a fence that `mark` opened."""
    width, text = lead(line, base)
    text = text.rstrip(" \t")
    return width < 4 and len(text) >= len(mark) and not text.strip(mark[0])


def opens_fence(text: str) -> re.Match[str] | None:
    """The fence that `text` opens: its mark and its info string."""
    match = FENCE.match(text)
    return None if match is None or (match[1][0] == "`" and "`" in match[2]) else match


def lazily(width: int, text: str, *, tables: bool) -> str:
    """A line that goes on with a paragraph, written so that it can't be read as anything else.

    With `tables` it may make a table of the line above it, as goldmark has it.
    """
    if width >= 4:
        return LAZY + text
    other = SETEXT.match(text) or DEFINITION.match(text) or (text[:1] in "|:-" and not tables)
    return LAZY + text if other else text


class OpenParagraph:
    """Whether a paragraph is open at the end of the lines fed so far, however deep: the next line may go on with it.

    The lines begin in column `base`. `table` tells of two lines whether they begin a table, which is no paragraph.
    """

    def __init__(
        self, interrupts: Callable[[str], bool], base: int, *, definitions: bool, table: Callable[[str, str], bool]
    ) -> None:
        self.interrupts, self.base, self.definitions, self.table = interrupts, base, definitions, table
        self.open = False
        self.above = ""  # the paragraph's line before
        self.rows = False
        self.fence = ""
        self.html = False
        self.listed = False
        self.content = 0  # the column in which an item's text begins

    def feed(self, line: str) -> None:
        width, text = lead(line, self.base)
        inside = False  # an item that begins on this line
        while text and not self.fence and width < 4 + (self.content if self.listed and not inside else 0):
            item = ITEM.match(text)
            if text[0] == ">":
                width, text = lead(text[1:].removeprefix(" "))
            elif item and not RULE.match(text) and (not self.open or self.interrupts(text)):
                spaces = lead(text[item.end() :])[0]
                self.content = (self.content if inside else 0) + width + item.end() + (spaces if 0 < spaces < 5 else 1)
                self.listed, self.open, inside = True, False, True
                width, text = lead(text[item.end() + 1 :])
            elif self.open and self.definitions and DEFINITION.match(text):
                self.open, inside = False, True
                width, text = lead(text[1:])
                width -= min(width, 3)
            else:
                break
        near = width < 4 + (self.content if width >= self.content else 0)  # else it is code, or goes on
        self.html = self.html and width >= self.content
        if not text:
            self.open = self.html = self.rows = False
        elif self.fence:
            if closes(text, self.fence):
                self.fence = ""
        elif near and (fence := opens_fence(text)):
            self.fence, self.open = fence[1], False
        elif self.html or (near and (ATX.match(text) or RULE.match(text) or (self.open and SETEXT.match(text)))):
            self.open = False
        elif width < 4 and html_block([text], 0, text, in_paragraph=self.open):
            self.html, self.open = True, False
        elif not self.open and width >= 4 and (inside or not self.listed or width >= self.content + 4):
            pass
        else:
            within = self.content <= width < self.content + 4  # else the line goes on lazily
            self.rows = (self.rows and not inside) or (self.open and within and self.table(self.above, text))
            self.open, self.above = not self.rows, text
