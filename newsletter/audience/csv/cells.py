"""The cells of some hundred rows at once: of the header's width, tidy or not."""

from collections.abc import Iterable, Sequence


def of_width(
    lines: Sequence[int], rows: Sequence[list[str]], width: int
) -> tuple[Sequence[int], Sequence[list[str]], list[tuple[int, list[str]]]]:
    """The rows of this width, with their lines, and the others.

    Without the blank ones among those, and without the empty cells that a spreadsheet appends.
    """
    if set(map(len, rows)) == {width}:
        return lines, rows, []
    good: list[tuple[int, list[str]]] = []
    ragged: list[tuple[int, list[str]]] = []
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            while len(row) > width and not row[-1].strip():
                row.pop()
            if not any(map(str.strip, row)):
                continue
        (good if len(row) == width else ragged).append((line, row))
    return [line for line, _ in good], [row for _, row in good], ragged


def as_text(cells: Iterable[Iterable[str]]) -> str:
    """All cells, a line each, to ask something of all of them at once."""
    return "\n".join(map("\n".join, cells))


def is_tidy(text: str, count: int, *, clean: bool) -> bool:
    """Whether none of `count` cells, `as_text`, has blanks around it, a line end in it, or anything that can't be seen.

    `clean`: of a file that `scan` found to be so.
    """
    return (
        text.count("\n") == count - 1
        and "\n " not in text
        and " \n" not in text
        and text.strip(" ") == text
        and ((clean and text.isascii() and "\t" not in text) or text.replace("\n", "").isprintable())
    )
