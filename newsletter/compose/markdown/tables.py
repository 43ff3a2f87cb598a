"""Tables of pipes: GFM's, and kramdown's, which need no header.

A pipe with a backslash is a pipe in a cell, in code too. Sources: GFM section 4.10; kramdown's table.rb.
"""

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from newsletter.compose.markdown.blocks import Blocks
from newsletter.compose.markdown.lines import LAZY, lead

_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_PIPE = re.compile(r"\\.|(\|)", re.DOTALL)
_LAX_PIPE = re.compile(r"\\+\||(\|)")  # goldmark's and cmark-gfm's: a backslash before it, however many
_SEPARATOR = re.compile(r"[+|: \t-]*?-[+|: \t-]*\Z")
_FOOT = re.compile(r"[+|: \t=]*?=[+|: \t=]*\Z")
_PIPED = re.compile(r"\||.*?[^\\\n]\|")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)|<code.*?>.*?</code>")
_CODE_OVER_LINES = re.compile(_CODE.pattern, re.DOTALL)


@dataclass(slots=True)
class Table:
    """A table's cells as inline Markdown; `head` is empty where there is no header."""

    lines: int
    head: list[list[str]]
    rows: list[list[str]]
    aligns: list[str] = field(default_factory=list)
    foot: list[list[str]] = field(default_factory=list)

    def write(self, reader: Blocks, parent: Element, line: int) -> None:
        """Add the table to `parent`; its first row stands on `line`."""
        table = SubElement(parent, "table")
        width = max(len(row) for row in [*self.head, *self.rows, *self.foot])
        for tag, rows in (("thead", self.head), ("tbody", self.rows), ("tfoot", self.foot)):
            part = SubElement(table, tag) if rows else table
            for row in rows:
                cells = row + [""] * (width - len(row))
                reader.row(part, cells, "th" if tag == "thead" else "td", self.aligns, line)
                line += 1


def gfm_table(lines: list[str], at: int, *, lax: bool) -> Table | None:
    """The table whose header is on line `at`; it ends at a blank line, or where the caller sees another block."""
    if at + 1 >= len(lines) or "-" not in lines[at + 1] or not _DELIMITER.match(lines[at + 1]):
        return None
    if not lines[at + 1].strip(" \t-") or lead(lines[at + 1])[0] > 3:
        return None
    head, marks = cells(lines[at].replace(LAZY, ""), _LAX_PIPE, lax=lax), cells(lines[at + 1])
    if lax:  # goldmark fills a short header up
        head += [""] * (len(marks) - len(head))
    if len(head) != len(marks):
        return None
    end, rows = at + 2, []
    while end < len(lines) and lines[end].strip(" \t"):
        row = cells(lines[end].replace(LAZY, ""), _LAX_PIPE, lax=lax)
        if not row and not lax:  # a pipe alone is no row
            break
        rows.append((row + [""] * len(head))[: len(head)])
        end += 1
    return Table(end - at, [head], rows, [_align(mark.strip(" \t")) for mark in marks])


def headless_table(lines: list[str], at: int) -> Table | None:
    """Rows that each begin and end with a pipe, without a header: kramdown's, taken in plain folders too."""
    if at + 1 < len(lines) and _DELIMITER.match(lines[at + 1]):
        return None
    end = at
    while end < len(lines) and re.match(r"[ \t]*\|.*\|[ \t]*\Z", lines[end]):
        end += 1
    rows = [cells(line) for line in lines[at:end] if not _SEPARATOR.match(line.strip(" \t"))]
    return Table(end - at, [], rows) if rows else None


def cells(line: str, pipe: re.Pattern[str] = _PIPE, *, lax: bool = False) -> list[str]:
    """A row's cells; a pipe behind a backslash belongs to its cell, which then has the pipe alone."""
    text = line.strip(" \t")
    found, start = [], 0
    for match in pipe.finditer(text):
        if match[1]:
            found.append(text[start : match.start()])
            start = match.end()
    found.append(text[start:])
    if found and not found[0].strip(" \t") and text.startswith("|"):
        found = found[1:]
    if found and not found[-1].strip(" \t") and start:
        found = found[:-1]
    if lax:  # a backslash before a pipe is undone in code here, elsewhere as any other
        return [_CODE.sub(lambda code: code[0].replace("\\|", "|"), cell).strip(" \t") for cell in found]
    return [cell.replace("\\|", "|").strip(" \t") for cell in found]


def kramdown_table(lines: list[str], at: int) -> Table | None:
    """The table that starts on line `at`, as kramdown reads it; None where there is none."""
    leading = lines[at].lstrip().startswith("|")
    end = at
    groups: list[tuple[str, list[list[str]]]] = []
    rows: list[list[str]] = []
    aligns: list[str] | None = None
    footed = False
    while end < len(lines) and _PIPED.match(lines[end]) and lines[end].strip(" \t"):
        line = lines[end].strip(" \t") if end == at else lines[end].rstrip(" \t")
        end += 1
        if _SEPARATOR.match(line):
            if rows and aligns is None and not footed:
                groups.append(("head", rows))
                aligns = [_align(mark) for mark in re.findall(r":?-+:?", line)]
                rows = []
            continue
        if _FOOT.match(line):
            if rows:
                groups.append(("body", rows))
                rows = []
            footed = True
            continue
        found = _kramdown_cells(line)
        if leading and found and not found[0].strip(" \t"):
            found = found[1:]
        if found and not found[-1].strip(" \t"):
            found = found[:-1]
        rows.append([cell.strip(" \t") for cell in found])
    if end < len(lines) and lines[end].strip(" \t") and not re.match(r" {0,3}(?:\{:|\^\s*\Z)", lines[end]):
        return None
    if not _piped("\n".join(lines[at:end])):
        return None
    if rows:
        groups.append(("foot" if footed else "body", rows))
    if not any(kind == "body" for kind, _ in groups):
        return None
    parts = {
        kind: [row for name, group in groups if name == kind for row in group] for kind in ("head", "body", "foot")
    }
    return Table(end - at, parts["head"], parts["body"], aligns or [], parts["foot"])


def _kramdown_cells(line: str) -> list[str]:
    """A row's cells, pipes in code left alone."""
    found, start = [""], 0
    for code in [*_CODE.finditer(line), None]:
        text = line[start : code.start() if code else len(line)]
        parts = [part.replace("\\|", "|") for part in re.split(r"(?<!\\)\|", text)]
        found[-1] += parts[0]
        found.extend(parts[1:])
        if code:
            found[-1] += code[0]
            start = code.end()
    return found


def _piped(rows: str) -> bool:
    """Whether the rows have pipes outside of code, which may reach over a line's end, as kramdown asks it."""
    piped, start = False, 0
    for code in [*_CODE_OVER_LINES.finditer(rows), None]:
        lines = rows[start : code.start() if code else len(rows)].rstrip("\n").split("\n")
        if len(lines) > 1 and not piped and not _PIPED.match(lines[0]):
            return False
        piped = (piped and len(lines) == 1) or _PIPED.match(lines[-1]) is not None
        if code and code[1]:
            reach = code[0].count("\n")
            if reach > 1 or (reach and not piped):
                return piped
            piped = piped and not reach
        start = code.end() if code else start
    return piped


def _align(mark: str) -> str:
    left, right = mark.startswith(":"), mark.endswith(":")
    return "center" if left and right else "left" if left else "right" if right else ""
