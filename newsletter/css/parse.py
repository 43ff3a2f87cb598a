"""CSS as a message carries it: declarations, rules, and the at-rules around them.

A real parse, by tinycss2; nested rules come out flat, as they mean. Selectors are left to `selectors`, and which
declaration wins to `cascade`. Nesting: https://www.w3.org/TR/css-nesting-1/
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import tinycss2

from newsletter.css.selectors import CssNode, Element, Selector, read_selectors

__all__ = [
    "AtRule", "Declaration", "Element", "Rule", "Sheet", "Verbatim", "declarations", "forget_sheets", "functions",
    "parse_sheet", "urls",
]  # fmt: skip

_OF_STYLES = {"media", "supports", "layer", "container", "scope", "starting-style", "document", "-moz-document"}
"""At-rules that hold style rules."""
_BLANK = {"whitespace", "comment"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """`name: value`; the name in lower case, the value as written without `!important`."""

    name: str
    value: str
    tokens: tuple[CssNode, ...] = field(compare=False)  # without white space and comments at the ends
    important: bool
    line: int  # from 1, in the text that was parsed


@dataclass(frozen=True, slots=True, eq=False)
class AtRule:
    """An at-rule: name in lower case, prelude as written, and the at-rules around it, outermost first."""

    name: str
    prelude: str
    around: tuple["AtRule", ...]
    line: int

    @property
    def condition(self) -> str:
        """Name and prelude in lower case, as in `media (max-width: 600px)`."""
        return f"{self.name} {' '.join(self.prelude.split())}".lower().strip()


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A style rule."""

    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    around: tuple[AtRule, ...]
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Verbatim:
    """What is kept as it was written: `@font-face`, `@layer a, b;`, a rule for `::-webkit-scrollbar`."""

    name: str  # of an at-rule; empty for a style rule whose selectors not every browser takes
    text: str
    around: tuple[AtRule, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A `<style>` element's rules; `nested` is the lines of style rules that stand inside style rules."""

    items: tuple[Rule | Verbatim, ...]
    at_rules: tuple[AtRule, ...]
    nested: tuple[int, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The style rules in order."""
        return tuple(item for item in self.items if isinstance(item, Rule))


@lru_cache(maxsize=32_768)
def declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a style attribute; what is no declaration is left out, as browsers do."""
    try:
        return _declarations(tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True))
    except (RecursionError, ValueError):  # thousands of open brackets, or of digits
        return ()


def forget_sheets() -> None:
    """Make room before a message, where another has filled the memory with thousands of its styles."""
    if declarations.cache_info().currsize > 4096:
        declarations.cache_clear()


@lru_cache(maxsize=64)
def parse_sheet(text: str) -> Sheet:
    """The rules of a style element; broken ones are left out, as browsers do."""
    reader = _SheetReader()
    try:
        reader.walk(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), (), None)
    except (RecursionError, ValueError):  # thousands of open brackets, or of digits
        return Sheet((), (), ())
    return Sheet(tuple(reader.items), tuple(reader.at_rules), tuple(reader.nested))


def urls(tokens: Iterable[CssNode]) -> list[str]:
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


def functions(tokens: Iterable[CssNode]) -> set[str]:
    """The names of the functions used, at any depth, in lower case."""
    names = set()
    for token in tokens:
        if token.type == "function":
            names |= {token.lower_name} | functions(token.arguments)
        elif hasattr(token, "content") and isinstance(token.content, list):
            names |= functions(token.content)
    return names


class _SheetReader:
    """Collects the rules of one sheet, those inside at-rules and other rules too."""

    def __init__(self) -> None:
        self.items: list[Rule | Verbatim] = []
        self.at_rules: list[AtRule] = []
        self.nested: list[int] = []
        self.past_imports = False

    def walk(self, nodes: Iterable[CssNode], around: tuple[AtRule, ...], parent: Sequence[Selector] | None) -> None:
        """`parent` is the selectors of the rule that the nodes stand in, if they do."""
        pending: list[CssNode] = []
        for node in nodes:
            if node.type == "declaration" and parent is not None:
                pending.append(node)
                continue
            self._declared(pending, around, parent)
            pending = []
            if node.type == "qualified-rule":
                self._style_rule(node, around, parent)
            elif node.type == "at-rule":
                self._at_rule(node, around, parent)
        self._declared(pending, around, parent)

    def _declared(self, nodes: list[CssNode], around: tuple[AtRule, ...], parent: Sequence[Selector] | None) -> None:
        if nodes and parent is not None and (found := _declarations(nodes)):
            self.items.append(Rule(tuple(parent), found, around, nodes[0].source_line))

    def _style_rule(self, node: CssNode, around: tuple[AtRule, ...], parent: Sequence[Selector] | None) -> None:
        content = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
        self.nested.extend(child.source_line for child in content if child.type == "qualified-rule")
        prelude = node.prelude if parent is None else list(_unnested(node.prelude, parent))
        selectors = read_selectors(prelude)
        if selectors is None:
            text = f"{tinycss2.serialize(prelude).strip()} {{{tinycss2.serialize(node.content)}}}"
            self.items.append(Verbatim("", text, around))
            return
        self.past_imports = True
        if all(child.type in {"declaration", "error"} for child in content):
            self.items.append(Rule(selectors, _declarations(content), around, node.source_line))
        else:
            self.walk(content, around, selectors)

    def _at_rule(self, node: CssNode, around: tuple[AtRule, ...], parent: Sequence[Selector] | None) -> None:
        name, prelude = node.lower_at_keyword, str(tinycss2.serialize(node.prelude)).strip()
        if name == "import" and (self.past_imports or around or parent is not None):
            return  # a browser ignores it; it must not come to count once what is before it is inlined
        at_rule = AtRule(name, prelude, around, node.source_line)
        self.at_rules.append(at_rule)
        if node.content is None or name not in _OF_STYLES:
            self.items.append(Verbatim(name, node.serialize(), around))
            if node.content is not None and name not in {"font-face", "page"}:
                inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                lines = [child for child in inner if child.type == "at-rule"]
                self.at_rules += [
                    AtRule(child.lower_at_keyword, str(tinycss2.serialize(child.prelude)).strip(), (*around, at_rule),
                           child.source_line)
                    for child in lines
                ]  # fmt: skip
            return
        self.past_imports = True
        if parent is None:
            rules = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
            self.walk(rules, (*around, at_rule), None)
        else:
            content = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            self.walk(content, (*around, at_rule), parent)


def _unnested(prelude: Sequence[CssNode], parent: Sequence[Selector]) -> Iterator[CssNode]:
    """The selectors of a nested rule as they stand outside: `&` is the parent, and without one it is an ancestor."""
    group: list[CssNode] = []
    first = True
    for token in [*prelude, None]:
        if token is not None and not (token.type == "literal" and token.value == ","):
            group.append(token)
            continue
        while group and group[0].type in _BLANK:
            del group[0]
        if not _holds_parent(group):
            group[:0] = tinycss2.parse_component_value_list("& ")
        for number, selector in enumerate(_parents(parent, group)):
            if not first or number:
                yield from tinycss2.parse_component_value_list(", ")
            yield from _replaced(group, selector)
        first = False
        group = []


def _parents(parent: Sequence[Selector], group: Sequence[CssNode]) -> list[str]:
    """What `&` is written as: `:is()`, which clients don't know, or one by one where that is the same."""
    leading = _is_parent(group[0]) and sum(map(_is_parent, group)) == 1 and not _holds_parent(group[1:])
    typed = len(group) > 1 and group[1].type == "ident"
    if leading and not typed and len({selector.specificity for selector in parent}) == 1:
        return [selector.text for selector in parent]
    return [f":is({', '.join(selector.text for selector in parent)})"]


def _is_parent(token: CssNode) -> bool:
    return bool(token.type == "literal" and token.value == "&")


def _holds_parent(tokens: Iterable[CssNode]) -> bool:
    for token in tokens:
        inner = getattr(token, "arguments", None) or getattr(token, "content", None)
        if _is_parent(token) or (isinstance(inner, list) and _holds_parent(inner)):
            return True
    return False


def _replaced(tokens: Iterable[CssNode], parent: str) -> list[CssNode]:
    text = "".join(parent if _is_parent(token) else _serialized(token, parent) for token in tokens)
    return list(tinycss2.parse_component_value_list(text))


def _serialized(token: CssNode, parent: str) -> str:
    if token.type == "function" and _holds_parent(token.arguments):
        inner = "".join(parent if _is_parent(one) else _serialized(one, parent) for one in token.arguments)
        return f"{token.name}({inner})"
    return str(token.serialize())


def _declarations(nodes: Iterable[CssNode]) -> tuple[Declaration, ...]:
    found = []
    for node in nodes:
        if node.type != "declaration":
            continue
        tokens = list(node.value)
        while tokens and tokens[0].type in _BLANK:
            del tokens[0]
        while tokens and tokens[-1].type in _BLANK:
            del tokens[-1]
        if not tokens and not node.name.startswith("--"):
            continue
        value = tinycss2.serialize(tokens).replace("\\\t", "\\9 ").strip()  # a hack of old, as it is written
        name = node.name if node.name.startswith("--") else node.lower_name
        found.append(Declaration(name, value, tuple(tokens), node.important, node.source_line))
    return tuple(found)
