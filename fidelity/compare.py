"""Our reading of a source beside a generator's: the same, better on purpose, or different."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Literal

from fidelity.structure import structure
from newsletter.compose.html.sanitize import sanitize
from newsletter.compose.markdown.convert import Converter
from newsletter.compose.markdown.grammar import Grammar
from newsletter.compose.markdown.raw_html import BLOCKS
from newsletter.errors import NewsletterError

Dialect = Literal["jekyll", "hugo", "plain"]
GRAMMARS: dict[Dialect, Grammar] = {
    # A bare address is a link in a mail of ours; kramdown leaves it text (docs/reference/markdown.md).
    "jekyll": Grammar("kramdown", kramdown=True, linkify=False),
    "hugo": Grammar("commonmark", typography="goldmark", goldmark=True),
    "plain": Grammar("commonmark", kramdown=True),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A difference that is meant: what both sides must be equal after, or what the source must hold."""

    name: str  # as docs/reference/markdown.md says it
    dialects: str
    source: str | Callable[[str], bool]  # a pattern that the source matches, or what says so
    undo: Callable[[list[str]], list[str]] | None = None  # of either side's marks and words
    without: Grammar | None = None  # by which we must read the source as the generator does
    # With neither, any difference counts.

    def may_be(self, dialect: str, source: str) -> bool:
        """Whether `source` holds what this is said of."""
        if dialect not in self.dialects.split():
            return False
        return bool(re.search(self.source, source)) if isinstance(self.source, str) else self.source(source)


def _each(undo: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    return lambda words: [undo(word) for word in words]


def _without(*marks: str) -> Callable[[list[str]], list[str]]:
    """Takes these elements away and leaves what is in them."""

    def undo(words: list[str]) -> list[str]:
        kept: list[str] = []
        opened: list[str] = []
        for word in words:
            if re.fullmatch(r"a:.*\(|[a-z][\w:]*\(", word):
                opened.append(word)
            elif word == ")" and opened and opened.pop() in marks:
                continue
            if word not in marks:
                kept.append(word)
        return kept

    return undo


def _plain_alerts(words: list[str]) -> list[str]:
    named = (re.sub(r"\[!(\w+)\]", lambda kind: kind[1].capitalize(), word) for word in words)
    return _without("blockquote(", "p(")(list(named))


def _no_tags(word: str) -> str:
    return " ".join(re.sub(r"</?[A-Za-z][^<>]*>?", "", word).split())


def _plain_alt(word: str) -> str:
    return re.sub(r"[\s\\]|&\w+;|[\"'’]", "", word) if word.startswith("img[") else word


def _undone_address(word: str) -> str:
    return word.replace("\\", "") if word.startswith(("a:", "img[")) else word


_TYPED = {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "--", "—": "---", "…": "..."}


def _straight(word: str) -> str:
    return re.sub("[“”‘’–—…]", lambda sign: _TYPED[sign[0]], word)


def _typed_address(words: str) -> str:
    return re.sub(r"(?:://|www\.)\S+", lambda address: _straight(address[0]), words)


_CODE = re.compile(r"(?s)(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)(?=[\s/>])[^<>]*?(/?)>")
_VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}


def unclosed(source: str) -> int | None:
    """Where the paragraph begins with the outermost element in which one is not closed; None if all are."""
    opened: list[tuple[str, int]] = []
    for tag in _TAG.finditer(_CODE.sub(lambda code: " " * len(code[0]), source)):
        slash, name, alone = tag[1], tag[2].lower(), tag[3]
        if not slash and not alone and name not in _VOID:
            opened.append((name, tag.start()))
        elif slash and opened and opened[-1][0] == name:
            opened.pop()
        elif slash and any(name == each for each, _ in opened):  # what is inside of it was not
            break
    return source.rfind("\n\n", 0, opened[0][1]) + 1 if opened else None


UNCLOSED = "an element that is never closed does not make the rest of the post raw"
_EXTRAS = (
    "plain folders take what Jekyll's posts may have: attributes, definitions, notes, abbreviations, tables without a "
    "header"
)
REASONS: tuple[Reason, ...] = (
    Reason("closing tags that close nothing are left out", "jekyll", r"</[A-Za-z]", _each(_no_tags)),
    Reason(UNCLOSED, "jekyll", lambda source: unclosed(source) is not None),
    Reason("a block's tag behind a line's first word is HTML", "jekyll",
           rf"(?m)^[^<\n]*[^\s<>*+-][^<\n]*(?:\n[\s>]*)?</?(?:{BLOCKS})\b"),
    Reason("an attribute's value may stand without quotes", "jekyll",
           r"(?s)<[A-Za-z].*\s[\w:-]+\s*=\s*\w*[^\w\s\"'<>=][^<>]*>"),
    Reason("a backslash in an address is undone", "jekyll", r"\\", _each(_undone_address)),
    Reason("a bare address keeps its dots and dashes", "jekyll", r"(?:://|www\.)\S*(?:\.\.|--|['\"])",
           _each(_typed_address)),
    Reason("what sorts equal stands in no order", "jekyll", r"\{[{%][^{}]*\|\s*sort\b",
           lambda words: sorted(" ".join(words).split())),
    Reason("a note may begin with another one's definition", "jekyll", r"\[\^[^\]\n]+\]:[ \t]*\[\^[^\]\n]+\]:"),
    Reason("a closing tag may follow a table", "jekyll", r"(?m)\|.*\n[ \t]*</[A-Za-z]"),
    Reason("emphasis in a link is set in emphasis too", "jekyll", r"[*_].*\[[^\]]*[*_]"),
    Reason("emphasis does not reach out of a link's words", "jekyll", r"\[[^\]]*[*_][^\]]*\][(\[]"),
    Reason("a line that begins with a blank and a tab is a paragraph", "jekyll", r"(?m)^[ >\d.*+-]* +\t",
           _without("p(")),
    Reason("characters have HTML5's names", "jekyll", r"&(?:#X|[A-Za-z])", _each(unescape)),
    Reason("a picture's description has its words apart and its quotes decoded", "hugo", r"!\[", _each(_plain_alt)),
    Reason("dashes that go on lazily with the paragraph of an item or a meaning are dashes", "hugo",
           r"(?m)^[ >]*(?:[-+*:]|\d+[.)])[ \t].*\n[ >]*-{2,}[ \t]*$"),
    Reason("a table stands behind the line that is above it", "hugo",
           r"(?m)^[ >]*\|?[ \t]*:?-[-:| \t]*\n(?:[ >]*[^\s>].*\n)*[ >]*(?::[ \t]|(?:=+|-+)[ \t]*$)"),
    Reason("a note that only a second note of its name refers to is left out", "hugo",
           r"(?s)\[\^([^\]\n]+)\]:.*\[\^\1\]:.*\[\^"),
    Reason("a pipe behind a backslash is one at a row's end too", "hugo", r"(?m)\\\|[ \t]*$",
           _each(lambda word: word.rstrip("|\\"))),
    Reason("no bare address is a link inside of a link", "plain hugo", r"<a\s[^>]*>[^<]*(?:://|www\.|@)"),
    Reason("a link's definition above a table is one", "plain",
           r"(?m)^[ >\d.*+-]*\[[^\]\n]+\]:.*\n(?:.*\S.*\n)*.*[|:]"),
    Reason("a picture's description may begin with ^", "plain", r"!\[\^"),
    Reason("www. leads to https", "plain", r"www\.",
           _each(lambda word: word.replace("a:https://www", "a:http://www"))),
    Reason("typography leaves <kbd>, <samp>, <tt> and <var> alone", "jekyll hugo",
           r"<(?:code|kbd|samp|tt|var)\b", _each(_straight)),
    Reason("comments are CommonMark 0.31's", "plain hugo jekyll", r"<!--|<!\[?[A-Z]|<\?"),
    Reason("mathematics is shown as written", "jekyll plain", r"\$\$"),
    Reason(_EXTRAS, "plain", r"(?m)\{:|^[ >\d.*+-]*:[ \t]|^[ \t>\d.*+-]*\|.*\|[ \t]*$|markdown=|\$\$",
           without=Grammar("commonmark", definitions=False)),
    Reason(_EXTRAS, "plain", r"(?m)^\*\[|^(?:!!!|\?\?\?)|\[!\w+\]"),
    Reason("notes that begin with !!! are notes", "jekyll hugo", r"(?m)^ {0,3}!!!"),
    Reason("a currency's sign is a letter to emphasis", "hugo", r"[*_]+[€£¥¢₹₩₽]"),
    Reason("a heading's id has no number of its notes", "hugo", r"(?m)^[ >]*#+[ \t].*\[\^"),
    Reason("GitHub's alerts are notes", "jekyll hugo", r"\[!\w+\]", _plain_alerts),
    Reason("a link's definition is one above a meaning too", "hugo", r"\[[^\]\n]+\]:.*\n[ >]*:[ \t]"),
    Reason("<!-- more --> with blanks parts the post as <!--more--> does", "hugo", r"<!--[ \t]+more|more[ \t]+-->"),
    Reason("abbreviations are taken in Hugo's posts too", "hugo", r"(?m)^\*\["),
    Reason("a sign behind a backslash is no part of a bare address", "plain", r"\\[+._-]\S*@"),
    Reason("a number with more than seven digits is no character", "plain hugo jekyll", r"&#\d{8,};"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a comparison; `reason` is empty where both sides are the same, or differ without one."""

    same: bool
    reason: str
    ours: list[str]
    real: list[str]

    @property
    def kind(self) -> str:
        """Same, better or different."""
        return "same" if self.same else "better" if self.reason else "different"


class Judge:
    """Compares for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.converters: dict[Grammar, Converter] = {}

    def ours(self, source: str) -> list[str]:
        """The structure of our reading."""
        return self.read(source, GRAMMARS[self.dialect])

    def read(self, source: str, grammar: Grammar) -> list[str]:
        """The structure of our reading by `grammar`."""
        converter = self.converters.get(grammar) or self.converters.setdefault(grammar, Converter(grammar))
        converter.reset()
        try:
            html = converter.convert(source)
        except NewsletterError as error:
            return [f"error: {error.what}"]
        return self.structure(html)

    def structure(self, html: str) -> list[str]:
        """The structure of HTML, ours or a generator's, as mail can show it."""
        # cmark-gfm sets no quotes; we do, on purpose.
        github = self.dialect == "plain"  # whose headings get their ids elsewhere
        return structure(sanitize(html, str), typography=not github, anchors=not github)

    def verdict(self, source: str, real: Sequence[str]) -> Verdict:
        """Our reading of `source` against the structure `real`."""
        ours, theirs = self.ours(source), list(real)
        if ours == theirs:
            return Verdict(True, "", ours, theirs)
        meant = [each for each in REASONS if each.may_be(self.dialect, source)]
        undone = [each.undo for each in meant if each.undo is not None]
        readings = [ours, *(self.read(source, each.without) for each in meant if each.without is not None)]
        if any(each.undo is None and each.without is None for each in meant) or (
            meant and any(joined(reading, undone) == joined(theirs, undone) for reading in readings)
        ):
            return Verdict(False, "; ".join(each.name for each in meant), ours, theirs)
        return Verdict(False, "", ours, theirs)


def joined(words: list[str], undone: list[Callable[[list[str]], list[str]]]) -> str:
    """The marks and words as one text, with what is meant undone."""
    for undo in undone:
        words = undo(words)
    return " ".join(" ".join(" ".join(words).split()).replace("p( )", "").split())
