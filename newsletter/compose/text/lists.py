"""What stands before the items of a list in plain text: dashes, numbers as HTML counts them, marks of footnotes."""

from newsletter.compose.text.nodes import Node, integer

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


def list_marks(element: Node, items: list[Node]) -> list[str]:
    """What stands before each item: a dash, a number as HTML counts it, a raised number for a footnote."""
    if element.tag != "ol":
        return ["-"] * len(items)
    step = -1 if element.get("reversed") is not None else 1
    number = integer(element.get("start"), len(items) if step < 0 else 1)
    notes = _are_footnotes(element)
    marks = []
    for item in items:
        number = integer(item.get("value"), number)
        marks.append(str(number).translate(_RAISED) if notes else f"{_numeral(number, element.get('type', '1'))}.")
        number += step
    return marks


def _are_footnotes(element: Node) -> bool:
    parent = element.getparent()
    if parent is None:
        return False
    return (
        bool({"footnote", "footnotes"} & set(parent.get("class", "").split())) or parent.get("role") == "doc-endnotes"
    )


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
