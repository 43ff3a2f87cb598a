"""CSS as a message carries it: declarations, selectors, rules.

A real parse, by tinycss2. Which element a selector means, and which declaration wins, is left to `match`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import tinycss2
from lxml import etree

Element = etree._Element
Node = Any  # tinycss2 is untyped

_STRUCTURAL = {"first-child", "last-child", "only-child", "root", "empty", "not", "link", "any-link"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """`name: value`; the name in lower case, the value as written without `!important`."""

    name: str
    value: str
    tokens: tuple[Node, ...] = field(compare=False)  # without white space and comments at the ends
    important: bool
    line: int  # from 1, in the text that was parsed


@dataclass(frozen=True, slots=True)
class Compound:
    """A selector without combinators: `td.card[align=left]:first-child`."""

    combinator: str  # what joins it to the compound on its left: "", " ", ">", "+", "~"
    tag: str
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    attributes: tuple[tuple[str, str, str], ...]  # name, operator or "", value
    pseudos: tuple[tuple[str, tuple["Selector", ...]], ...]  # name; of :not() the selectors

    @property
    def universal(self) -> bool:
        """Whether it is `*` alone."""
        return not (self.tag or self.ids or self.classes or self.attributes or self.pseudos)


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a list; `dynamic` when it can't match by the tree alone."""

    text: str
    compounds: tuple[Compound, ...]
    specificity: tuple[int, int, int]
    dynamic: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A style rule, and the at-rules around it as written (`media (max-width: 600px)`), outermost first."""

    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    around: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class AtRule:
    """An at-rule: name and prelude in lower case, and how many at-rules are around it."""

    name: str
    prelude: str
    depth: int
    line: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A `<style>` element's rules; `nested` is the lines of style rules that stand inside style rules."""

    rules: tuple[Rule, ...]
    at_rules: tuple[AtRule, ...]
    nested: tuple[int, ...]


@lru_cache(maxsize=32_768)
def declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a style attribute; what is no declaration is left out, as browsers do."""
    try:
        return _declarations(tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True))
    except (RecursionError, ValueError):  # thousands of open brackets, or of digits
        return ()


def forget() -> None:
    """Make room before a message, where another has filled the memory with thousands of its styles."""
    if declarations.cache_info().currsize > 4096:
        declarations.cache_clear()


@lru_cache(maxsize=64)
def parse_sheet(text: str) -> Sheet:
    """The rules of a style element; broken ones are left out, as browsers do."""
    rules: list[Rule] = []
    at_rules: list[AtRule] = []
    nested: list[int] = []

    def walk(nodes: Iterable[Node], around: tuple[str, ...]) -> None:
        for node in nodes:
            if node.type == "qualified-rule":
                content = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
                nested.extend(child.source_line for child in content if child.type == "qualified-rule")
                selectors = tuple(_selectors(node.prelude))
                rules.append(Rule(selectors, _declarations(content), around, node.source_line))
            elif node.type == "at-rule":
                prelude = " ".join(tinycss2.serialize(node.prelude).split()).lower()
                at_rules.append(AtRule(node.lower_at_keyword, prelude, len(around), node.source_line))
                if node.content is not None and node.lower_at_keyword not in {"font-face", "page"}:
                    inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                    if node.lower_at_keyword.endswith("keyframes"):
                        inner = [child for child in inner if child.type == "at-rule"]
                    walk(inner, (*around, f"{node.lower_at_keyword} {prelude}".strip()))

    try:
        walk(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), ())
    except (RecursionError, ValueError):  # thousands of open brackets, or of digits
        return Sheet((), (), ())
    return Sheet(tuple(rules), tuple(at_rules), tuple(nested))


def urls(tokens: Iterable[Node]) -> list[str]:
    """Every address in `url()`, at any depth."""
    found = []
    for token in tokens:
        if token.type == "url":
            found.append(token.value)
        elif token.type == "function":
            if token.lower_name == "url":
                found += [argument.value for argument in token.arguments if argument.type == "string"]
            else:
                found += urls(token.arguments)
    return found


def functions(tokens: Iterable[Node]) -> set[str]:
    """The names of the functions used, at any depth, in lower case."""
    names = set()
    for token in tokens:
        if token.type == "function":
            names |= {token.lower_name} | functions(token.arguments)
        elif hasattr(token, "content") and isinstance(token.content, list):
            names |= functions(token.content)
    return names


def _declarations(nodes: Iterable[Node]) -> tuple[Declaration, ...]:
    found = []
    for node in nodes:
        if node.type != "declaration":
            continue
        tokens = list(node.value)
        while tokens and tokens[0].type in {"whitespace", "comment"}:
            del tokens[0]
        while tokens and tokens[-1].type in {"whitespace", "comment"}:
            del tokens[-1]
        if not tokens:
            continue
        value = tinycss2.serialize(tokens)
        found.append(Declaration(node.lower_name, value, tuple(tokens), node.important, node.source_line))
    return tuple(found)


def _selectors(prelude: Sequence[Node]) -> Iterator[Selector]:
    group: list[Node] = []
    for token in [*prelude, None]:
        if token is None or (token.type == "literal" and token.value == ","):
            if any(part.type not in {"whitespace", "comment"} for part in group):
                yield _selector(group)
            group = []
        else:
            group.append(token)


def _selector(tokens: Sequence[Node]) -> Selector:
    compounds: list[Compound] = []
    dynamic = False
    combinator, pending = "", ""
    tag = ""
    ids: list[str] = []
    classes: list[str] = []
    attributes: list[tuple[str, str, str]] = []
    pseudos: list[tuple[str, tuple[Selector, ...]]] = []
    a = b = c = 0
    empty = True

    def close() -> None:
        nonlocal tag, empty
        if not empty:
            compounds.append(
                Compound(combinator, tag, tuple(ids), tuple(classes), tuple(attributes), tuple(pseudos))
            )  # fmt: skip
        tag, empty = "", True
        for part in (ids, classes, attributes, pseudos):
            part.clear()

    queue = [token for token in tokens if token.type != "comment"]
    index = 0
    while index < len(queue):
        token = queue[index]
        index += 1
        if token.type == "whitespace":
            pending = pending or " "
            continue
        if token.type == "literal" and token.value in ">+~":
            pending = token.value
            continue
        if pending and (not empty or compounds):
            close()
            combinator = pending
        pending = ""
        empty = False
        if token.type == "ident":
            tag, c = token.lower_value, c + 1
        elif token.type == "hash":
            ids.append(token.value)
            a += 1
        elif token.type == "literal" and token.value == "." and index < len(queue) and queue[index].type == "ident":
            classes.append(queue[index].value)
            index, b = index + 1, b + 1
        elif token.type == "[] block":
            attributes.append(_attribute(token.content))
            b += 1
        elif token.type == "literal" and token.value == ":" and index < len(queue):
            following = queue[index]
            index += 1
            if following.type == "literal" and following.value == ":" and index < len(queue):
                following = queue[index]  # `::before`
                index += 1
            if following.type == "ident" and following.lower_value in _STRUCTURAL:
                pseudos.append((following.lower_value, ()))
                b += 1
            elif following.type == "function" and following.lower_name == "not":
                inner = tuple(_selectors(following.arguments))
                pseudos.append(("not", inner))
                a, b, c = (
                    x + y
                    for x, y in zip((a, b, c), max((s.specificity for s in inner), default=(0, 0, 0)), strict=True)
                )
            else:
                dynamic = True
        elif not (token.type == "literal" and token.value == "*"):
            dynamic = True
    close()
    text = " ".join(tinycss2.serialize(tokens).split())
    return Selector(text, tuple(compounds), (a, b, c), dynamic or not compounds)


def _attribute(tokens: Sequence[Node]) -> tuple[str, str, str]:
    parts = [token for token in tokens if token.type not in {"whitespace", "comment"}]
    name = parts[0].lower_value if parts and parts[0].type == "ident" else ""
    operator = "".join(part.value for part in parts[1:] if part.type == "literal")
    value = next((part.value for part in parts[1:] if part.type in {"ident", "string", "number"}), "")
    return name, operator, str(value)
