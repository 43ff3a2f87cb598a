"""Find in a line's text where a link's words end, and where it leads, as CommonMark and kramdown have it.

Pure: text goes in, offsets and addresses come out. Sources: CommonMark 0.31 section 6.3; kramdown 2.4, link.rb.
"""

import re
from bisect import bisect

from newsletter.compose.markdown.inline.patterns import decoded

_HREF = re.compile(
    r"[ \t\n]*(?:<((?:[^<>\n\\]|\\.)*)>"
    r"|((?!<)(?:[^ \t\n\r\f\v()\\]|\\.|\((?:[^ \t\n\r\f\v()\\]|\\.|\((?:[^ \t\n\r\f\v()\\]|\\.)*\))*\))*))"
)
_TITLE = re.compile(
    r"[ \t\n]+(?:\"((?:[^\"\\]|\\.){0,2000})\"|'((?:[^'\\]|\\.){0,2000})'|\(((?:[^()\\]|\\.){0,2000})\))", re.DOTALL
)
_CLOSE = re.compile(r"[ \t\n]*\)")
_PARENTHESES = re.compile(r"(\()|(\))|[ \t\r\n\f\v](?=['\"])")  # kramdown's LINK_PAREN_STOP_RE
_PLACE_TITLE = re.compile(r"\s*?([\"'])(.{1,2000}?)\1\s*?\)", re.DOTALL)
_BRACKETS = re.compile(r"\\.|(`+)(?:.*?\1)?|<[^<>]*>|(\[)|(\])", re.DOTALL)


def inline_target(text: str, at: int) -> tuple[str, str, int] | None:
    """Address, title and end of a link's target that starts at `at`, behind the bracket."""
    href = _HREF.match(text, at)
    if href is None:
        return None
    title = _TITLE.match(text, href.end())
    end = _CLOSE.match(text, title.end() if title else href.end())
    if end is None:
        return None
    written = next((part for part in title.groups() if part is not None), "") if title else ""
    return decoded(href[1] if href[1] is not None else href[2]), decoded(written), end.end()


class Parentheses:
    """kramdown's targets of links, in which blanks are part of an address; the text is looked through once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.closing: dict[int, int] = {}
        self.before_titles: list[int] = []  # where a blank stands before a quote
        opened: list[int] = []
        for match in _PARENTHESES.finditer(text):
            if match[1]:
                opened.append(match.start())
            elif not match[2]:
                self.before_titles.append(match.start())
            elif opened:
                self.closing[opened.pop()] = match.start()

    def target(self, at: int) -> tuple[str, str, int] | None:
        """Address, title and end of what the parenthesis at `at` opens."""
        text = self.text
        if placed := re.compile(r"\(<(.*?)>").match(text, at):
            href, end = placed[1], placed.end()
            if text.startswith(")", end):
                return decoded(href), "", end + 1
        else:
            close, number = self.closing.get(at), bisect(self.before_titles, at)
            blank = self.before_titles[number] if number < len(self.before_titles) else None
            if close is not None and (blank is None or close < blank):
                return decoded(text[at + 1 : close].strip(" \t\r\n\f\v")), "", close + 1
            if blank is None:
                return None
            href, end = text[at + 1 : blank].strip(" \t\r\n\f\v"), blank + 1
        title = _PLACE_TITLE.match(text, end)
        return (decoded(href), decoded(title[2]), title.end()) if title else None


def bracket_pairs(text: str) -> dict[int, int]:
    """Brackets that belong together: of a closing one, where the text in it begins; of an opening one at n, by -n - 1,
    where it is closed."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACKETS.finditer(text):
        if match[2]:
            opened.append(match.start())
        elif match[3] and opened:
            start = opened.pop()
            found[match.start()], found[-start - 1] = start + 1, match.start()
    return found
