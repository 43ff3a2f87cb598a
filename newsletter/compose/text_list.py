"""What stands before the items of a list in plain text: dashes, numbers as HTML counts them, marks of footnotes."""

import re

from newsletter.compose.text_nodes import Node, integer

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


def list_marks(element: Node, items: list[Node]) -> list[str]:
    """What stands before each item: a dash, a number as HTML counts it, a raised number for a footnote."""
    if element.tag != "ol":
        return ["-"] * len(items)
    step = -1 if element.get("reversed") is not None else 1
    number = integer(element.get("start"), len(items) if step < 0 else 1)
    marks = []
    for item in items:
        number = integer(item.get("value"), number)
        marks.append(_footnote_mark(item, number) or f"{_numeral(number, element.get('type', '1'))}.")
        number += step
    return marks


def _footnote_mark(item: Node, number: int) -> str:
    if item.get("role") == "doc-endnote" or re.match(r"fn:", item.get("id", "")):
        return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return ""


def _numeral(number: int, kind: str) -> str:
    if kind in ("a", "A") and number > 0:
        letters = ""
        while number:
            number, digit = divmod(number - 1, 26)
            letters = chr(ord("a") + digit) + letters
        return letters if kind == "a" else letters.upper()
    if kind in ("i", "I") and 0 < number < 4000:
        roman = ""
        for value, letters in _ROMAN:
            times, number = divmod(number, value)
            roman += letters * times
        return roman if kind == "i" else roman.upper()
    return str(number)
