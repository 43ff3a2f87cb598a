"""Lines that go on lazily with a paragraph inside a quote or an item, without that one's marks.

Source: CommonMark 0.31 section 5.1, "laziness".
"""

from collections.abc import Callable

from newsletter.compose.markdown.lines import ATX, ITEM, RULE, SETEXT, closes, lead, opens_fence
from newsletter.compose.markdown.raw_html import html_block


def lazily(width: int, text: str) -> str:
    """A line that goes on with a paragraph, written so that it can't be read as anything else."""
    if width >= 4:
        return "    " + text
    return "\\" + text if SETEXT.match(text) else text


class OpenParagraph:
    """Whether a paragraph is open at the end of the lines fed so far, however deep: the next line may go on with it."""

    def __init__(self, interrupts: Callable[[str], bool]) -> None:
        self.interrupts = interrupts
        self.open = False
        self.fence = ""
        self.html = False
        self.listed = False

    def feed(self, line: str) -> None:
        width, text = lead(line)
        while text and not self.fence:
            item = ITEM.match(text)
            if text[0] == ">":
                width, text = lead(text[1:].removeprefix(" "))
            elif item and not RULE.match(text) and (not self.open or self.interrupts(text)):
                self.listed, self.open = True, False
                width, text = lead(text[item.end() + 1 :])
            else:
                break
        if not text:
            self.open = self.html = False
        elif self.fence:
            if closes(text, self.fence):
                self.fence = ""
        elif fence := opens_fence(text):
            self.fence, self.open = fence[1], False
        elif self.html or ATX.match(text) or RULE.match(text):
            self.open = False
        elif not self.open and (html_block([text], 0, text) or (width >= 4 and not self.listed)):
            self.html, self.open = text[0] == "<", False
        else:
            self.open = True
