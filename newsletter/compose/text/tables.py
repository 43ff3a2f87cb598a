"""Tables as plain text: aligned columns where they fit, else a short list of `column: value` for each row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.compose.templating.tokens import TOKENS_ONLY
from newsletter.compose.text.inline import InlineText
from newsletter.compose.text.nodes import BLOCKS, Item, Node, contents, integer, is_comment, is_hidden, tag_of, token_of
from newsletter.compose.text.wrap import display_width, wrap

_GAP = "  "
_SPAN_MAX = 50
_GROUPS = {"thead", "tbody", "tfoot"}
_PARTS = {
    "table": {*_GROUPS, "tr", "caption", "colgroup", "col"},
    **{group: {"tr"} for group in _GROUPS},
    "tr": {"td", "th"},
}
"""What stands in a table and in its parts."""
_NARROW = 12  # columns below which a wrapped cell is hard to read


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's words, on one line; `right` aligns them with the end of the column."""

    text: str
    right: bool = False
    span: int = 1


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the grid; `before` holds slots' tokens that stand between it and the row above."""

    cells: tuple[Cell, ...]
    head: bool = False
    before: str = ""


def read_table(table: Node, inline: InlineText) -> tuple[list[TableRow], str]:
    """The grid of a table, spans filled, and the tokens that come after its last row."""
    rows: list[TableRow] = []
    reaching: dict[int, int] = {}  # column: rows that a cell above still reaches down
    tokens = ""
    for item in _row_items(table):
        if isinstance(item, str):
            tokens += item
            continue
        found, after = _cells_of(item)
        if found:
            cells = _read_cells(found, inline, reaching)
            head = tag_of(item.getparent()) == "thead" or (not rows and all(cell.tag == "th" for _, cell in found))
            rows.append(TableRow(tuple(cells), head, tokens))
            tokens = ""
        tokens += after
    return rows, tokens


def _cells_of(row: Node) -> tuple[list[tuple[str, Node]], str]:
    """A row's cells, each with the tokens that stand before it, and those behind the last one."""
    found: list[tuple[str, Node]] = []
    tokens = ""
    for item in contents(row):
        if isinstance(item, str) or is_comment(item):
            text = item if isinstance(item, str) else token_of(item)
            tokens += text.strip() if TOKENS_ONLY.match(text) else ""
        elif item.tag in ("td", "th") and not is_hidden(item):
            found.append((tokens, item))
            tokens = ""
    return found, tokens


def _row_items(group: Node) -> Iterator[Item]:
    """Rows of a table or a part of it, and tokens between them."""
    for item in contents(group):
        if isinstance(item, str) or is_comment(item):
            text = item if isinstance(item, str) else token_of(item)
            if TOKENS_ONLY.match(text):
                yield text.strip()
        elif item.tag == "tr" and not is_hidden(item):
            yield item
        elif item.tag in ("thead", "tbody", "tfoot") and not is_hidden(item):
            yield from _row_items(item)


def _read_cells(found: list[tuple[str, Node]], inline: InlineText, reaching: dict[int, int]) -> list[Cell]:
    cells: list[Cell] = []

    def fill() -> None:
        while reaching.get(len(cells), 0) > 0:
            reaching[len(cells)] -= 1
            cells.append(Cell(""))

    for before, child in found:
        fill()
        span = min(max(integer(child.get("colspan"), 1), 1), _SPAN_MAX)
        down = min(max(integer(child.get("rowspan"), 1), 1), _SPAN_MAX) - 1
        text = before + inline.read(_cell_items(child), plain=child.tag == "th")
        cells += [Cell(text, _is_right(child), span), *[Cell("")] * (span - 1)]
        reaching.update(dict.fromkeys(range(len(cells) - span, len(cells)), down))
    fill()
    return cells


def _cell_items(cell: Node) -> list[Item]:
    """A cell's contents on one line: blocks in it are parted by spaces."""
    items: list[Item] = []
    for item in contents(cell):
        items += [" ", item, " "] if not isinstance(item, str) and item.tag in BLOCKS else [item]
    return items


def is_layout(table: Node) -> bool:
    """Tables that only place things: they say so, or hold other tables or headings, or have one column.

    So is one with words where only rows and cells should stand, so that they aren't lost.
    """
    if table.get("role") in ("presentation", "none") or any(_has_strays(part) for part in table.iter(*_PARTS)):
        return True
    if next(table.iterdescendants("table", "h1", "h2", "h3", "ul", "ol", "pre", "blockquote", "hr"), None) is not None:
        return next(table.iterdescendants("th"), None) is None
    return all(sum(child.tag in ("td", "th") for child in row) < 2 for row in table.iter("tr"))


def _has_strays(part: Node) -> bool:
    """Whether something stands in a table, a group of rows or a row that is none of its parts."""
    return any(
        bool(item.strip()) and not TOKENS_ONLY.match(item)
        if isinstance(item, str)
        else not is_comment(item) and item.tag not in _PARTS[str(part.tag)]
        for item in contents(part)
    )


def _is_right(cell: Node) -> bool:
    return cell.get("align") == "right" or bool(re.search(r"text-align\s*:\s*(?:right|end)", cell.get("style", "")))


def draw_table(rows: list[TableRow], width: int) -> list[str]:
    """The lines of a table: in columns, their cells wrapped if need be; as records if columns would be too narrow."""
    count = max(len(row.cells) for row in rows)
    grid = [TableRow(row.cells + (Cell(""),) * (count - len(row.cells)), row.head, row.before) for row in rows]
    sizes = _column_sizes(grid, width - len(_GAP) * (count - 1))
    return _columns(grid, sizes) if sizes else _records(grid, width)


def _column_sizes(grid: list[TableRow], room: int) -> list[int] | None:
    """How wide each column is, the widest giving way first; None if one would be cut below a word or `_NARROW`."""
    columns = list(zip(*(row.cells for row in grid), strict=True))
    sizes = [max(map(_size, cells), default=0) for cells in columns]
    least = [
        max(min(size, _NARROW), max((display_width(word) for cell in cells for word in cell.text.split()), default=0))
        for size, cells in zip(sizes, columns, strict=True)
    ]
    if sum(least) > room:
        return None
    while (excess := sum(sizes) - room) > 0:
        widest = max(range(len(sizes)), key=lambda number: (sizes[number] - least[number] > 0, sizes[number]))
        others = [size for number, size in enumerate(sizes) if number != widest and size < sizes[widest]]
        target = max(least[widest], sizes[widest] - excess, min(max(others, default=0), sizes[widest] - 1))
        sizes[widest] = target
    return sizes


def _columns(grid: list[TableRow], sizes: list[int]) -> list[str]:
    drawn = []
    for number, row in enumerate(grid):
        cells = [wrap(cell.text, size) for cell, size in zip(row.cells, sizes, strict=True)]
        lines = []
        for at in range(max(map(len, cells))):
            padded = []
            for cell, texts, size in zip(row.cells, cells, sizes, strict=True):
                text = texts[at] if at < len(texts) else ""
                blank = " " * (size - display_width(text))
                padded.append(blank + text if cell.right else text + blank)
            lines.append(_GAP.join(padded).rstrip())
        lines[0] = row.before + lines[0]
        if row.head and not (number + 1 < len(grid) and grid[number + 1].head):
            lines.append(_GAP.join("-" * max(size, 1) for size in sizes))
        drawn.append((row.head, lines))
    airy = any(len(lines) > 1 for head, lines in drawn if not head)
    result: list[str] = []
    for number, (_, lines) in enumerate(drawn):
        if airy and number and not drawn[number - 1][0]:
            result.append("")
        result += lines
    return result


def _records(grid: list[TableRow], width: int) -> list[str]:
    """Each row below its first cell, the others named by the header; a blank line between rows."""
    heads = [row for row in grid if row.head]
    names = [" ".join(filter(None, (row.cells[column].text for row in heads))) for column in range(len(grid[0].cells))]
    lines: list[str] = []
    for row in grid:
        if row.head:
            if row.before:
                lines.append(row.before)
            continue
        if lines:
            lines.append("")
        record: list[str] = []
        for number, (name, cell) in enumerate(zip(names, row.cells, strict=True)):
            if not cell.text:
                continue
            indent = "" if number == 0 else _GAP
            label = f"{name}: " if name else ""
            filled = wrap(label + cell.text.replace("\n", " "), width - len(indent) - 2)
            record += [indent + (line if at == 0 else "  " + line) for at, line in enumerate(filled)]
        if record:
            record[0] = row.before + record[0]
        elif row.before:
            record = [row.before]
        lines += record
    return lines


def _size(cell: Cell) -> int:
    return display_width(cell.text) if cell.span == 1 else 0
