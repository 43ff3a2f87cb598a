"""Tables as plain text: aligned columns where they fit, else a short list of `column: value` for each row."""

import re
from dataclasses import dataclass

from lxml import etree

from newsletter.compose.text_inline import Inline
from newsletter.compose.text_nodes import BLOCKS, Item, Node, contents, integer, is_hidden, tag_of, token_of
from newsletter.compose.token_form import TOKENS_ONLY
from newsletter.compose.wrap import display_width, wrap

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's words, on one line; `right` aligns them with the end of the column."""

    text: str
    right: bool = False
    span: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the grid; `before` holds slots' tokens that stand between it and the row above."""

    cells: tuple[Cell, ...]
    head: bool = False
    before: str = ""


def read_rows(table: Node, inline: Inline) -> tuple[list[Row], str]:
    """The grid of a table, spans filled, and the tokens that come after its last row."""
    rows: list[Row] = []
    reaching: dict[int, int] = {}  # column: rows that a cell above still reaches down
    tokens = ""
    for node in table.iter():
        if isinstance(node, etree._Comment) and tag_of(node.getparent()) in ("table", "thead", "tbody", "tfoot"):
            tokens += token_of(node)
        if node.tag != "tr" or is_hidden(node):
            continue
        cells: list[Cell] = []
        found = [child for child in node if child.tag in ("td", "th") and not is_hidden(child)]
        for child in found:
            while reaching.get(len(cells), 0):
                reaching[len(cells)] -= 1
                cells.append(Cell(""))
            span = min(max(integer(child.get("colspan"), 1), 1), 50)
            down = min(max(integer(child.get("rowspan"), 1), 1), 500) - 1
            text = inline.read(_cell_items(child), plain=child.tag == "th")
            cells.append(Cell(text, _is_right(child), span))
            cells += [Cell("")] * (span - 1)
            reaching.update(dict.fromkeys(range(len(cells) - span, len(cells)), down))
        head = bool(found) and (tag_of(node.getparent()) == "thead" or (not rows and all(c.tag == "th" for c in found)))
        if found:
            rows.append(Row(tuple(cells), head, tokens))
            tokens = ""
        if node.tail and TOKENS_ONLY.match(node.tail):
            tokens += node.tail.strip()
    return rows, tokens


def _cell_items(cell: Node) -> list[Item]:
    """A cell's contents on one line: blocks in it are parted by spaces."""
    items: list[Item] = []
    for item in contents(cell):
        items += [" ", item, " "] if not isinstance(item, str) and item.tag in BLOCKS else [item]
    return items


def is_layout(table: Node) -> bool:
    """Tables that only place things: they say so, or hold other tables or headings, or have one column."""
    if table.get("role") in ("presentation", "none"):
        return True
    if next(table.iterdescendants("table", "h1", "h2", "h3", "ul", "ol", "pre", "blockquote", "hr"), None) is not None:
        return next(table.iterdescendants("th"), None) is None
    return all(sum(child.tag in ("td", "th") for child in row) < 2 for row in table.iter("tr"))


def _is_right(cell: Node) -> bool:
    return cell.get("align") == "right" or bool(re.search(r"text-align\s*:\s*(?:right|end)", cell.get("style", "")))


def draw_table(rows: list[Row], width: int) -> list[str]:
    """The lines of a table: in columns if it fits `width`, as records if not."""
    count = max(len(row.cells) for row in rows)
    empty = Cell("")
    grid = [Row(row.cells + (empty,) * (count - len(row.cells)), row.head, row.before) for row in rows]
    sizes = [max(_size(row.cells[column]) for row in grid) for column in range(count)]
    if sum(sizes) + len(_GAP) * (count - 1) <= width and all(
        "\n" not in cell.text for row in grid for cell in row.cells
    ):
        return _columns(grid, sizes)
    return _records(grid, width)


def _columns(grid: list[Row], sizes: list[int]) -> list[str]:
    lines = []
    for number, row in enumerate(grid):
        padded = []
        for cell, size in zip(row.cells, sizes, strict=True):
            blank = " " * (size - display_width(cell.text))
            padded.append(blank + cell.text if cell.right else cell.text + blank)
        lines.append(row.before + _GAP.join(padded).rstrip())
        if row.head and not (number + 1 < len(grid) and grid[number + 1].head):
            lines.append(_GAP.join("-" * max(size, 1) for size in sizes))
    return lines


def _records(grid: list[Row], width: int) -> list[str]:
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
