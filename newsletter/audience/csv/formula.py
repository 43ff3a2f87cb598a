"""Cells of an exported CSV that no spreadsheet takes for a formula, and back again without loss.

An apostrophe in front makes it a text. A text that looks guarded already gets another, so that taking one off is always
right. Which characters begin a formula: OWASP, CSV injection.
"""

import re

_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠\t\r\n]")
_GUARDED = re.compile(r"'+\s*[=+\-@＝＋－＠\t\r\n]")


def guard(text: str) -> str:
    """`text` as a cell that a spreadsheet shows and never runs."""
    return "'" + text if _FORMULA.match(text) else text


def unguard(cell: str) -> str:
    """The text of a cell that `guard` made; any other as it is."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
