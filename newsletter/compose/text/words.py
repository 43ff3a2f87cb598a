"""The words of HTML on one line, for what is told of a post: its summary, its preheader, how long reading it takes.

Quick, by patterns: it reads what composing has just written. Other ways from HTML to text have other purposes: the
text part, laid out (`render`); what any mail says, however hostile, to be searched (`mime.message.strip_tags`); what a
reader sees of a message, by its styles (`checks.sample`).
"""

import math
import re
from html import unescape

_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # a letter of these is about half a word
_TAGS = re.compile(r"<!--.*?-->|<(style|script|pre)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_BLOCK_END = re.compile(r"</(?:p|h[1-6]|li|blockquote|td|th|dd|dt|div|figcaption)>|<br\s*/?>", re.IGNORECASE)
_HEADING = re.compile(r"<h[1-6]\b.*?</h[1-6]>", re.DOTALL | re.IGNORECASE)
_WORDS_A_MINUTE = 230
_SUMMARY = 100
"""Characters of a preheader made from the first words: what most inbox rows show, and the check allows."""


def words_of(html: str, *, headings: bool = True) -> str:
    """The words of `html` on one line, code left out, and headings too where they say nothing new."""
    html = html if headings else _HEADING.sub(" ", html)
    return " ".join(unescape(_TAGS.sub("", _BLOCK_END.sub(" ", html))).split())


def first_words(text: str, most: int = _SUMMARY) -> str:
    """The beginning of `text`: whole words, with an ellipsis where it was cut."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:–—-") + "…"


def reading_minutes(text: str) -> int:
    """Minutes that reading takes, at least one."""
    wide = len(_WIDE.findall(text))
    return max(1, math.ceil((len(_WIDE.sub(" ", text).split()) + wide / 2) / _WORDS_A_MINUTE))
