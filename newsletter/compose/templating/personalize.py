"""Personalized posts: blocks of a template around Markdown, so that each tag stands between whole elements.

Markdown knows nothing of `{% if %}`: a tag on its own line would end up in the paragraph or the list item beside it,
and a block would open one element and close another. So tags get lines of their own before Markdown, and lose the
paragraphs that it gives them afterwards. What still isn't whole is refused when the issue is cut (`slots`).
"""

import functools
import re

from newsletter.compose.templating.slots import Slots

_FENCE = re.compile(r" {0,3}(```|~~~)")


def set_apart(markdown: str, slots: Slots) -> str:
    """`markdown` with empty lines around each line that holds nothing but tags of blocks; code stays as it is."""
    lines: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        alone = not fence and not line.startswith("    ") and slots.is_block(line)
        lines += ["", line.strip(), ""] if alone else [line]
    return "\n".join(lines)


def unwrap(html: str, slots: Slots) -> str:
    """`html` with the tags of blocks freed from paragraphs of their own, and moved into the list they make items of."""
    word = slots.word
    html = re.sub(
        rf"<p>((?:\s*{word})+\s*)</p>", lambda match: match[1] if slots.is_block(match[1]) else match[0], html
    )
    for name in ("ul", "ol"):
        start, end = rf"<{name}(?: start=\"\d+\")?>", f"</{name}>"
        one = rf"{start}(?:(?!</?(?:ul|ol|p)\b).)*?{end}"
        blocks = re.compile(rf"{word}\s*{one}\s*(?:{word}\s*{one}\s*)*{word}", re.DOTALL)
        html = blocks.sub(functools.partial(_as_items, start, end, slots), html)
        # What was one list to the author is one list again.
        html = re.sub(rf"{end}\s*{start}(?={word})", "\n", html)
        html = re.sub(rf"({word}){end}\s*{start}", r"\1\n", html)
    return html


def _as_items(start: str, end: str, slots: Slots, match: re.Match[str]) -> str:
    """A block whose branches are a list each, as one list whose items are in the block's branches."""
    tags = re.findall(slots.word, re.sub(r"<li>.*?</li>", "", match[0], flags=re.DOTALL))
    kinds = [slots.tag(tag).kind for tag in tags]
    if kinds[0] != "open" or kinds[-1] != "close" or set(kinds[1:-1]) - {"middle"}:
        return match[0]
    first = re.search(start, match[0])
    assert first is not None, "each branch begins with a list"
    return first[0] + re.sub(rf"(?:{start}|{end})\s*", "", match[0]) + end
