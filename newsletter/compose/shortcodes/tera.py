"""Evaluate the part of Tera that a Zola site's shortcodes of text need: arguments, conditions, a loop, a few filters.

Tera's syntax is Jinja2's, so Jinja2's sandbox runs the template, of which only listed constructs pass; what reads
files, fetches, or asks for other pages is refused with its name. How shortcodes stand in a post is in `zola`. Sources:
Tera's manual; Zola's documentation of shortcodes and of its own filters and functions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from newsletter.compose.shortcodes.go_template import UnsupportedError, unwrapped

LONGEST = 1_000_000
"""Characters that one use of a shortcode may come to."""

_PATTERN = re.compile(r"[\w^$?:/.\\-]*")  # without what repeats, so that none takes long
_PASSED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.If, nodes.And, nodes.Or, nodes.Not,
    nodes.Compare, nodes.Operand, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Assign, nodes.For,
    nodes.List, nodes.Keyword, nodes.Call, nodes.Concat,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TeraScope:
    """What a template may ask for."""

    values: Mapping[str, Any]  # arguments, `body`, `page`, `config`
    markdown: Callable[[str], str]  # a text's HTML
    url: Callable[[str], str]  # what `get_url` makes of a path


def evaluate_tera(template: str, scope: TeraScope, *, html: bool) -> str:
    """`template` with what it says done, its values escaped where it is HTML.

    Raises UnsupportedError for what mail can't evaluate, and for a value that it needs and the post doesn't give.
    """
    environment = _environment(scope, html=html)
    try:
        tree = environment.parse(template)
        _look_through(tree, environment)
        code = environment.compile(_Bounded().visit(tree))
        pieces, length = [], 0
        made = jinja2.Template.from_code(environment, code, dict(environment.globals))
        for piece in made.generate(scope.values):
            length += len(piece)
            if length > LONGEST:
                raise UnsupportedError(f"more than {LONGEST:,} characters")
            pieces.append(piece)
    except jinja2.TemplateSyntaxError as error:
        raise UnsupportedError(f"what isn't plain Tera on line {error.lineno}") from None
    except (jinja2.TemplateError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise UnsupportedError(f"values of other kinds ({type(error).__name__})") from None
    return "".join(pieces)


def _look_through(tree: nodes.Template, environment: jinja2.Environment) -> None:
    """Raise UnsupportedError for the first construct that isn't listed."""
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Call):
            name = node.node.name if isinstance(node.node, nodes.Name) else ""
            if name not in environment.globals:
                raise UnsupportedError(f"`{name}()`" if name else "a macro")
        elif isinstance(node, nodes.Filter) and node.name not in environment.filters:
            raise UnsupportedError(f"the filter `{node.name}`")
        elif isinstance(node, nodes.Test) and node.name not in environment.tests:
            raise UnsupportedError(f"the test `{node.name}`")
        elif isinstance(node, nodes.For) and any(
            inner is not node and isinstance(inner, nodes.For) for inner in node.find_all(nodes.For)
        ):
            raise UnsupportedError("`for` in another")
        elif isinstance(node, nodes.Stmt | nodes.Expr) and not isinstance(node, _PASSED):
            raise UnsupportedError(f"`{type(node).__name__.lower()}`")


class _Bounded(NodeTransformer):
    """Joins texts by a filter that looks at their length."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 (Jinja2's name for it)
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), "join", [], [], None, None, lineno=node.lineno)


class _Tera(ImmutableSandboxedEnvironment):
    """Jinja2 whose values have keys, and no attributes of Python's."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | tuple) and isinstance(argument, int) and 0 <= argument < len(obj):
            return obj[argument]
        if not isinstance(obj, Mapping | list | tuple | jinja2.Undefined):  # `loop`, whose attributes are plain
            found = getattr(obj, str(argument), None) if type(obj).__name__ == "LoopContext" else None
            if isinstance(found, int):
                return found
        return self.undefined(name=str(argument))


def _environment(scope: TeraScope, *, html: bool) -> _Tera:
    environment = _Tera(undefined=jinja2.ChainableUndefined, autoescape=html, finalize=_written, cache_size=0)
    environment.keep_trailing_newline = True

    def markdown(value: object, inline: bool = False) -> Markup:
        made = scope.markdown(_text(value))
        return Markup(unwrapped(made) if inline else made)  # noqa: S704 (the author's own; all of it is sanitized later)

    def get_url(path: str, **_options: object) -> str:
        return scope.url(_text(path))

    def resize_image(path: str, **_options: object) -> dict[str, str]:
        return {"url": scope.url(_text(path))}  # mail fits pictures itself

    environment.globals = {
        "get_url": get_url,
        "resize_image": resize_image,
        "get_image_metadata": lambda path, **_options: {},  # for sizes, which mail finds itself
    }
    environment.filters = {**_FILTERS, "markdown": markdown}
    environment.tests = dict(_TESTS)
    return environment


def _written(value: object) -> object:
    if isinstance(value, jinja2.Undefined):
        raise UnsupportedError(f"`{value._undefined_name}` without a value")
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def _text(value: object) -> str:
    text = _written(value)
    text = text if isinstance(text, str) else str(text)
    if len(text) > LONGEST:
        raise UnsupportedError(f"more than {LONGEST:,} characters")
    return text


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else _text(value)


def _replaced(value: object, **words: str) -> str:
    text, old, new = str(_text(value)), _text(words["from"]), _text(words["to"])
    if text.count(old) * len(new) > LONGEST:
        raise UnsupportedError(f"more than {LONGEST:,} characters")
    return text.replace(old, new)


def _default(given: object, /, value: object = "") -> object:
    return value if isinstance(given, jinja2.Undefined) else given


def _matching(value: object, pattern: str) -> bool:
    if not _PATTERN.fullmatch(pattern):
        raise UnsupportedError(f"the pattern {pattern[:40]!r}")
    return isinstance(value, str) and re.search(pattern, value) is not None


def _concat(value: Sequence[Any], **more: Any) -> list[Any]:
    return [*value, *(more["with"] if isinstance(more["with"], list) else [more["with"]])]


_FILTERS: dict[str, Callable[..., Any]] = {
    "safe": lambda value: Markup(_text(value)),  # noqa: S704 (the author's own; all of it is sanitized later)
    "escape": lambda value: escape(_text(value)),
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "trim": lambda value: _text(value).strip(),
    "capitalize": lambda value: _text(value).capitalize(),
    "title": lambda value: _text(value).title(),
    "striptags": lambda value: Markup(_text(value)).striptags(),  # noqa: S704 (its text alone is used)
    "urlencode": lambda value: quote(_text(value)),
    "as_str": _text,
    "int": lambda value: int(_text(value)),
    "length": lambda value: len(_items(value)),
    "first": lambda value: next(iter(_items(value)), ""),
    "last": lambda value: next(iter(reversed(_items(value))), ""),
    "split": lambda value, pat: _text(value).split(_text(pat)),
    "join": lambda value, sep="": _text(_text(sep).join(map(_text, _items(value)))),
    "replace": _replaced,
    "concat": _concat,
    "default": _default,
}
_TESTS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: not isinstance(value, jinja2.Undefined),
    "undefined": lambda value: isinstance(value, jinja2.Undefined),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float),
    "iterable": lambda value: isinstance(value, list | tuple),
    "odd": lambda value: int(value) % 2 == 1,
    "even": lambda value: int(value) % 2 == 0,
    "starting_with": lambda value, start: isinstance(value, str) and value.startswith(start),
    "ending_with": lambda value, end: isinstance(value, str) and value.endswith(end),
    "matching": _matching,
    "containing": lambda value, part: isinstance(value, str | list) and part in value,
}
