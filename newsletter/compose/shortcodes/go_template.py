"""Evaluate the part of Go's templates that shortcodes of text need: arguments, conditions, a few functions.

What loops, reads files, fetches or asks for other pages is refused with its name: Hugo would have to run for it. Text
is escaped as html/template does it, unless it is HTML already. Sources: Go's text/template; Hugo's documentation of
shortcode templates.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

_ACTION = re.compile(
    r"(\{\{-?)\s*((?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|/\*.*?\*/|[^}\"`]|\}(?!\}))*?)\s*(-?\}\})", re.DOTALL
)
_TERM = re.compile(
    r"\s*(?:(\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(-?\d+(?:\.\d+)?)(?![\w.])|(\$?[\w]*(?:\.[A-Za-z_][\w]*)+|\$\w*|\.|[A-Za-z_][\w]*)"
    r"|([()|,]))"
)
_SET = re.compile(r"(\$\w+)\s*:?=\s*(.+)\Z", re.DOTALL)
DEEPEST = 32


class UnsupportedError(Exception):
    """A template that mail can't evaluate; its text names the construct."""


@dataclass(slots=True)
class Scope:
    """What a template may ask for, all of it text, numbers, flags, lists or mappings of these."""

    get: Callable[[str | int], object]  # an argument by name or position
    fields: Mapping[str, object]  # `.Inner`, `.Page.Title`, …: by path without the first dot
    markdown: Callable[[str], str]  # a text's HTML
    absolute: Callable[[str], str]
    variables: dict[str, object] = field(default_factory=dict)


def evaluate(template: str, scope: Scope) -> str:
    """`template` with its actions evaluated. Raises UnsupportedError for what mail can't."""
    nodes = _Parser(template).nodes
    return "".join(_run(nodes, scope, _ROOT))


class _Root:
    """The dot of a shortcode's template."""


_ROOT = _Root()
TemplateNode = str | tuple[str, str, list["TemplateNode"], list["TemplateNode"]]


class _Parser:
    """A template as text and `(keyword, expression, body, otherwise)`; keyword is empty for what is written out."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.actions = list(_ACTION.finditer(template))
        self.index = 0
        self.start = 0
        self.nodes, ending = self._until(0)
        if ending:
            raise UnsupportedError(f"`{{{{ {ending} }}}}` without its beginning")

    def _until(self, depth: int) -> tuple[list[TemplateNode], str]:
        """The nodes up to an `else` or `end`, and that word."""
        if depth > DEEPEST:
            raise UnsupportedError("conditions inside one another too deep")
        nodes: list[TemplateNode] = []
        while self.index < len(self.actions):
            action = self.actions[self.index]
            self.index += 1
            text = self.template[self.start : action.start()]
            if action[1].endswith("-"):
                text = text.rstrip()
            nodes.append(text)
            self.start = action.end()
            if action[3].startswith("-"):
                while self.start < len(self.template) and self.template[self.start].isspace():
                    self.start += 1
            body = action[2].strip()
            if body.startswith("/*"):
                continue
            keyword, _, rest = body.partition(" ")
            if keyword == "end" or keyword == "else":
                return nodes, body
            if keyword in {"if", "with"}:
                nodes.append(self._condition(keyword, rest, depth))
            elif keyword in {"range", "define", "block", "template", "partial", "partialCached", "return", "break"}:
                raise UnsupportedError(f"`{keyword}`")
            else:
                nodes.append(("", body, [], []))
        nodes.append(self.template[self.start :])
        self.start = len(self.template)
        return nodes, ""

    def _condition(self, keyword: str, expression: str, depth: int) -> TemplateNode:
        body, ending = self._until(depth + 1)
        otherwise: list[TemplateNode] = []
        if ending.startswith("else"):
            again, _, rest = ending.removeprefix("else").strip().partition(" ")
            if again in {"if", "with"}:
                otherwise, ending = [self._condition(again, rest, depth + 1)], "end"
            else:
                otherwise, ending = self._until(depth + 1)
        if ending != "end":
            raise UnsupportedError(f"`{keyword}` without `end`")
        return keyword, expression, body, otherwise


def _run(nodes: Sequence[TemplateNode], scope: Scope, dot: object) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
            continue
        keyword, expression, body, otherwise = node
        assigned = _SET.match(expression)
        value = _Expression(assigned[2] if assigned else expression, scope, dot).value()
        if assigned:
            scope.variables[assigned[1]] = value
        if keyword:
            chosen = body if value else otherwise
            yield from _run(chosen, scope, value if keyword == "with" and value else dot)
        elif not assigned:
            yield str(escape(_text(value)))


class _Expression:
    """A pipeline: terms between bars, what stands before a bar being the last argument of what comes behind."""

    def __init__(self, source: str, scope: Scope, dot: object) -> None:
        self.scope, self.dot, self.source = scope, dot, source
        self.terms: list[tuple[str, str]] = []
        at = 0
        while at < len(source.rstrip()):
            match = _TERM.match(source, at)
            if match is None:
                raise UnsupportedError(f"`{source.strip()[:60]}`")
            kind = ("text", "number", "name", "mark")[(match.lastindex or 1) - 1]
            self.terms.append((kind, match[match.lastindex or 1]))
            at = match.end()
        self.at = 0

    def value(self) -> object:
        found = self._pipeline()
        if self.at < len(self.terms):
            raise UnsupportedError(f"`{self.source.strip()[:60]}`")
        return found

    def _pipeline(self) -> object:
        found = self._command([])
        while self._peek() == ("mark", "|"):
            self.at += 1
            found = self._command([found])
        return found

    def _peek(self) -> tuple[str, str] | None:
        return self.terms[self.at] if self.at < len(self.terms) else None

    def _command(self, piped: list[object]) -> object:
        term = self._peek()
        if term is None:
            raise UnsupportedError(f"`{self.source.strip()[:60]}`")
        method = re.fullmatch(r"\$?\.Get|\$?\.Page\.RenderString", term[1]) is not None
        called = term[0] == "name" and (method or term[1] in _FUNCTIONS)
        if not called and not piped:
            return self._operand()
        if not called:
            raise UnsupportedError(f"`{term[1]}`")
        self.at += 1
        arguments: list[Any] = []
        while (following := self._peek()) is not None and following not in {("mark", "|"), ("mark", ")")}:
            arguments.append(self._operand())
        arguments += piped
        name = term[1]
        try:
            if name.endswith(".Get"):
                return self.scope.get(*arguments)
            if name.endswith("RenderString"):
                return Markup(unwrapped(self.scope.markdown(_text(arguments[-1]))))  # noqa: S704 (sanitized later)
            return _FUNCTIONS[name](self.scope, *arguments)
        except (TypeError, ValueError, IndexError, re.error):
            raise UnsupportedError(f"`{name}` with such arguments") from None

    def _operand(self) -> object:
        term = self._peek()
        assert term is not None
        self.at += 1
        kind, text = term
        if kind == "text":
            return text[1:-1] if text[0] == "`" else re.sub(r"\\(.)", r"\1", text[1:-1].replace("\\n", "\n"))
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text == "(":
            found = self._pipeline()
            if self._peek() != ("mark", ")"):
                raise UnsupportedError(f"`{self.source.strip()[:60]}`")
            self.at += 1
            return found
        if kind == "name":
            return self._named(text)
        raise UnsupportedError(f"`{text}`")

    def _named(self, name: str) -> object:
        if name in {"true", "false", "nil"}:
            return {"true": True, "false": False, "nil": None}[name]
        if name == ".":
            return self.dot
        head, _, path = name.partition(".")
        if head.startswith("$") and len(head) > 1:
            if head not in self.scope.variables:
                raise UnsupportedError(f"`{head}`")
            return _inside(self.scope.variables[head], path) if path else self.scope.variables[head]
        if head and head != "$":
            raise UnsupportedError(f"`{name}`")
        if head == "" and self.dot is not _ROOT and isinstance(self.dot, Mapping):
            return _inside(self.dot, path)
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            if (known := ".".join(parts[:length])) in self.scope.fields:
                return _inside(self.scope.fields[known], ".".join(parts[length:]))
        raise UnsupportedError(f"`{name}`")


def _inside(value: object, path: str) -> object:
    """The value at `path` of mappings, whose keys have no case."""
    for part in filter(None, path.split(".")):
        if not isinstance(value, Mapping):
            return None
        value = next((each for key, each in value.items() if str(key).lower() == part.lower()), None)
    return value


def _text(value: object) -> Any:
    if value is None or value is _ROOT:
        return ""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def unwrapped(html: str) -> str:
    """`html` without the paragraph that is all of it, as `markdownify` gives it."""
    match = re.fullmatch(r"\s*<p>(.*)</p>\s*", html, re.DOTALL)
    return match[1] if match and "<p" not in match[1] else html


def _printed(form: str, values: Sequence[object]) -> str:
    if not re.fullmatch(r"(?:[^%]|%[vsdq%])*", form):
        raise ValueError(form)
    return re.sub(r"%[vsdq]", "%s", form) % tuple(map(_text, values))


def _markup(text: object) -> Markup:
    return Markup(_text(text))  # noqa: S704 (the author's template says so, and all of it is sanitized later)


_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "default": lambda scope, other, value=None: value or other,
    "markdownify": lambda scope, text: _markup(unwrapped(scope.markdown(_text(text)))),
    "safeHTML": lambda scope, text: _markup(text),
    "safeHTMLAttr": lambda scope, text: _markup(text),
    "safeURL": lambda scope, text: _text(text),
    "safeCSS": lambda scope, text: _text(text),
    "htmlUnescape": lambda scope, text: _markup(text),
    "htmlEscape": lambda scope, text: str(escape(_text(text))),
    "plainify": lambda scope, text: Markup(_text(text)).striptags(),  # noqa: S704
    "relURL": lambda scope, url: scope.absolute(_text(url)),
    "absURL": lambda scope, url: scope.absolute(_text(url)),
    "relLangURL": lambda scope, url: scope.absolute(_text(url)),
    "absLangURL": lambda scope, url: scope.absolute(_text(url)),
    "lower": lambda scope, text: _text(text).lower(),
    "upper": lambda scope, text: _text(text).upper(),
    "title": lambda scope, text: _text(text).title(),
    "humanize": lambda scope, text: _text(text).replace("-", " ").replace("_", " ").capitalize(),
    "trim": lambda scope, text, cut=" \t\n": _text(text).strip(cut),
    "chomp": lambda scope, text: _text(text).rstrip("\n"),
    "replace": lambda scope, text, old, new: _text(text).replace(old, new),
    "string": lambda scope, value: _text(value),
    "int": lambda scope, value: int(value),
    "print": lambda scope, *values: "".join(map(_text, values)),
    "printf": lambda scope, form, *values: _printed(form, values),
    "eq": lambda scope, value, *others: any(value == other for other in others),
    "ne": lambda scope, value, other: value != other,
    "gt": lambda scope, value, other: value > other,
    "lt": lambda scope, value, other: value < other,
    "and": lambda scope, *values: next((value for value in values if not value), values[-1]),
    "or": lambda scope, *values: next((value for value in values if value), values[-1]),
    "not": lambda scope, value: not value,
    "len": lambda scope, value: len(value),
    "isset": lambda scope, value, key: key in value if isinstance(value, Mapping) else 0 <= int(key) < len(value),
    "in": lambda scope, value, part: part in value,
    "index": lambda scope, value, key: _inside(value, str(key)) if isinstance(value, Mapping) else value[key],
    "urlize": lambda scope, text: re.sub(r"\s+", "-", _text(text).strip().lower()),
    "strings.TrimSpace": lambda scope, text: _text(text).strip(),
}
