"""Tokens become slots: what a template left for later, found again after inlining, and cut out of the fixed text.

A token (`tokens`) travels in HTML text as a comment, which may stand anywhere, even between table rows; in attributes,
URLs and the title as the word.
Every token must come back, once and in order, and the markup between the tags of a block must be whole: whatever can't
be promised is refused, with the template's file and line. What a token stands for is decided in `runtime`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from newsletter.compose.issue import Piece, Slot
from newsletter.compose.templating.dynamic import short_source
from newsletter.compose.templating.tokens import mark_of, number_of, token, tokens_of
from newsletter.errors import NewsletterError

TagKind = Literal["value", "open", "middle", "close"]

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_MAY_STAY_OPEN = frozenset({"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "colgroup"})
_PIECES = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|(?P<raw><(?P<name>style|script)\b.*?</(?P=name)\s*>)"
    r"|(?P<words><(?P<field>title|textarea)\b[^>]*>.*?</(?P=field)\s*>)"
    r"|(?P<tag></?[a-z][^\s/>]*(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>)"
    r"|(?P<other><[!?][^>]*>)"
    r"|(?P<text>[^<]+|<)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE_VALUE = re.compile(r"""=\s*(?:"([^"]*)"|'([^']*)'|[^\s"'>]+)""")
_TAG_NAME = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_BRACE = re.compile(r"\{(?=[{%#]|\Z)")


@dataclass(frozen=True, slots=True)
class Tag:
    """What a token stands for: source of the second stage, `{{ value }}` or one tag of a block."""

    kind: TagKind
    source: str
    path: str
    line: int


@dataclass(slots=True)
class Slots:
    """The tokens of one issue; `seed` keeps them apart from anything an author could have written."""

    seed: str
    tags: list[Tag] = field(default_factory=list)
    _mark: str = ""
    _token: re.Pattern[str] = field(init=False)
    _comment: re.Pattern[str] = field(init=False)
    _remains: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self._mark = mark_of(self.seed)
        self._token = re.compile(f"({self.word})")
        self._comment = re.compile(f"<!--({self.word})-->")
        self._remains = re.compile(self._mark, re.IGNORECASE)

    def add(self, tag: Tag) -> str:
        """The token for `tag`."""
        self.tags.append(tag)
        return token(self._mark, len(self.tags) - 1)

    def holds(self, text: str) -> bool:
        """Whether a token, or what is left of one, stands in `text`."""
        return self._mark in text.lower()

    @property
    def word(self) -> str:
        """A pattern of these tokens, without groups."""
        return tokens_of(self._mark)

    def tag(self, word: str) -> Tag:
        """What the token `word` stands for."""
        return self.tags[number_of(self._token.findall(word)[0])]

    def is_block(self, text: str) -> bool:
        """Whether `text` is tags of blocks and nothing else."""
        words = self._token.findall(text)
        return (
            bool(words)
            and not self._token.sub("", text).strip()
            and all(self.tags[number_of(word)].kind != "value" for word in words)
        )

    def place(self, html: str) -> str:
        """`html` with each token in the form that survives a parser where it stands; refuses where none would."""
        if not self.holds(html):
            return html
        placed = []
        for match in _PIECES.finditer(html):
            piece = match[0]
            if self._mark in piece:
                if match["text"]:
                    piece = self._token.sub(r"<!--\g<0>-->", piece)
                elif match["raw"]:
                    raise self._refuse(
                        piece, f"can't stand in <{match['name'].lower()}>; put it into the text or a URL"
                    )
                elif match["tag"]:
                    self._check_tag(piece)
            placed.append(piece)
        html = "".join(placed)
        self._check_blocks(html)
        return html

    def cut_html(self, placed: str, inlined: str) -> tuple[Piece, ...]:
        """`inlined` as fixed text and slots; `placed` is the same page before, whose tokens must all have come back."""
        if not self.holds(placed):
            return (inlined,)
        before, after = self._token.findall(placed), self._token.findall(inlined)
        if before != after:
            lost = next((b for b, a in zip(before, after, strict=False) if b != a), None)
            lost = lost or (before[len(after)] if len(before) > len(after) else after[len(before)])
            raise self._error(
                number_of(lost),
                "did not survive the inlining of CSS where it stands; put it into the text, a URL or a class",
            )
        self._check_blocks(inlined, complete=True)
        return self.cut(self._comment.sub(r"\1", inlined))

    def cut(self, text: str) -> tuple[Piece, ...]:
        """`text` as fixed text and slots: a value is a slot, and so is a block from its first tag to its last."""
        self._check_remains(text)
        pieces: list[Piece] = []
        source: list[str] = []
        opened: list[Tag] = []
        for position, piece in enumerate(self._token.split(text)):
            if position % 2 == 0:
                if opened:
                    source.append(_fixed(piece))
                elif piece:
                    pieces.append(piece)
                continue
            tag = self.tags[number_of(piece)]
            if tag.kind == "value" and not opened:
                pieces.append(Slot(f"{{{{ {tag.source} }}}}", tag.path, tag.line))
                continue
            if tag.kind in ("middle", "close") and not opened:
                raise self._error(number_of(piece), "has lost its beginning; write the block out where it is made")
            source.append(f"{{{{ {tag.source} }}}}" if tag.kind == "value" else f"{{% {tag.source} %}}")
            if tag.kind == "open":
                opened.append(tag)
            elif tag.kind == "close":
                first = opened.pop()
                if not opened:
                    if any(part and not part.startswith("{%") for part in source):
                        pieces.append(Slot("".join(source), first.path, first.line))
                    source = []
        if opened:
            raise _at(opened[0], "has lost its end; write the block out where it is made")
        return tuple(pieces)

    def sample(self, text: str) -> str:
        """`text` without its tokens, for summaries and lengths."""
        return self._token.sub("", text)

    def _check_tag(self, tag: str) -> None:
        """Tokens stand in attribute values alone, and a block begins and ends in the same one."""
        values = [value[0] for value in _ATTRIBUTE_VALUE.finditer(tag)]
        outside = _ATTRIBUTE_VALUE.sub("", tag)
        if self._mark in outside:
            raise self._refuse(outside, 'can\'t stand in a tag beside its attributes; put it inside a value: class="…"')
        for value in values:
            depth = 0
            for word in self._token.findall(value):
                depth += {"open": 1, "close": -1}.get(self.tags[number_of(word)].kind, 0)
                if depth < 0:
                    break
            if depth:
                raise self._refuse(value, "begins and ends in different attributes; begin and end it in one")

    def _check_blocks(self, html: str, complete: bool = False) -> None:
        """Every branch of a block opens and closes its own elements; `complete`: none is left for a parser to close."""
        branches: list[tuple[Tag, list[str]]] = []
        for match in _PIECES.finditer(html):
            piece = match[0]
            if match["comment"] and (comment := self._comment.fullmatch(piece)):
                tag = self.tags[number_of(comment[1])]
                if tag.kind in ("middle", "close") and branches:
                    opener, left = branches.pop()
                    if any(complete or name not in _MAY_STAY_OPEN for name in left):
                        raise _at(opener, f"opens <{left[-1]}> and leaves it open; {_way_out(opener)}")
                if tag.kind in ("open", "middle"):
                    branches.append((tag, []))
            elif match["tag"] and branches:
                name = _TAG_NAME.match(piece)
                assert name is not None, "the pattern of a tag begins with its name"
                self._follow(branches[-1], name[1].lower(), piece)

    def _follow(self, branch: tuple[Tag, list[str]], name: str, piece: str) -> None:
        opener, left = branch
        if not piece.startswith("</"):
            if name not in _VOID and not piece.endswith("/>"):
                left.append(name)
            return
        while left and left[-1] != name and left[-1] in _MAY_STAY_OPEN:
            left.pop()
        if not left or left[-1] != name:
            if name in _VOID or name == "p":
                return
            raise _at(opener, f"closes </{name}>, which it has not opened; {_way_out(opener)}")
        left.pop()

    def _check_remains(self, text: str) -> None:
        for found in self._remains.finditer(text):
            if not self._token.match(text, found.start()):
                near = re.match(r"n(\d+)", text[found.end() :], re.IGNORECASE)
                number = int(near[1]) if near and int(near[1]) < len(self.tags) else 0
                raise self._error(number, "was changed by a filter around it; apply the filter inside {{ }} instead")

    def _refuse(self, piece: str, what: str) -> NewsletterError:
        return self._error(number_of(self._token.findall(piece)[0]), what)

    def _error(self, number: int, what: str) -> NewsletterError:
        return _at(self.tags[number], what)


def _at(tag: Tag, what: str) -> NewsletterError:
    shown = f"{{{{ {short_source(tag.source)} }}}}" if tag.kind == "value" else f"{{% {short_source(tag.source)} %}}"
    return NewsletterError(f"{shown} {what}", path=tag.path, line=tag.line)


def _way_out(tag: Tag) -> str:
    if tag.path.endswith((".html", ".txt")):
        return "open and close it in the same branch"
    return "give each tag of the block a line of its own, with empty lines around"


def _fixed(text: str) -> str:
    """Text as Jinja2 source that renders as the same text."""
    return _BRACE.sub('{{ "{" }}', text)


def slots_of(pieces: tuple[Piece, ...]) -> Iterator[Slot]:
    """The slots among `pieces`."""
    return (piece for piece in pieces if isinstance(piece, Slot))
