"""Break text into lines by the width it has on a screen: 2 columns for a Chinese character, 0 for a combining accent.

Widths are wcwidth's (Unicode Standard Annexes 11 and 29). Words, addresses and URLs are never broken; between
ideographs and kana a line may end, but not before a closing mark or after an opening one (JIS X 4051, the part that
everybody notices).
"""

import re
import unicodedata

from newsletter.compose.templating.tokens import TOKEN

NO_BREAK = "\u00a0"
"""A space at which no line ends; written as an ordinary one."""

_SLOT_WIDTH = 8  # of what a slot will say, as a guess: a first name

_NOT_FIRST = frozenset("、。，．・：；？！ーゝゞ々’”）」』】〉》〕］｝…‥ぁぃぅぇぉっゃゅょァィゥェォッャュョ％")
_NOT_LAST = frozenset("‘“（「『【〈《〔［｛￥＄")
_IDEOGRAPHIC = re.compile(
    "[\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]"
)

_NARROW = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21a8]*"
)
"""Latin, Greek and Cyrillic letters, typographic marks, currencies, arrows: one column each."""


def display_width(text: str) -> int:
    """Columns that `text` takes in a monospaced window; a slot's token counts as a short word."""
    if "slot" in text:
        text = TOKEN.sub("x" * _SLOT_WIDTH, text)
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text)
    import wcwidth  # its tables take 4 MB and 30 ms, which few texts need

    return wcwidth.width(text)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, longer ones only where a word is; LF in it ends a line."""
    return [line for paragraph in text.split("\n") for line in _fill(paragraph, width)]


def _fill(text: str, width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for gap, word in _words(text):
        size = display_width(word)
        if line and used + len(gap) + size > width:
            lines.append(line)
            line, used = word, size
        else:
            line, used = (line + gap + word, used + len(gap) + size) if line else (word, size)
    lines.append(line)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _words(text: str) -> list[tuple[str, str]]:
    """What can't be broken, each with the space before it."""
    words = []
    for word in text.split(" "):
        if not word:
            continue
        if word.isascii() or not _IDEOGRAPHIC.search(word):
            words.append((" ", word))
        else:
            words.extend((" " if number == 0 else "", unit) for number, unit in enumerate(_units(word)))
    return words


def _units(word: str) -> list[str]:
    units: list[str] = []
    for char in word:
        glued = units and (
            char in _NOT_FIRST
            or units[-1][-1] in _NOT_LAST
            or not (_IDEOGRAPHIC.match(char) or _IDEOGRAPHIC.match(units[-1][-1]))
            or unicodedata.combining(char)
        )
        if glued:
            units[-1] += char
        else:
            units.append(char)
    return units
