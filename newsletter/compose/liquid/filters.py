"""Jekyll's Liquid filters, beside those that Liquid brings; all of them bounded.

Sources: Jekyll's lib/jekyll/filters.rb and the files beside it.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from liquid import Environment, RenderContext, Token, TokenStream
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, tokenize
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import with_context
from liquid.token import TOKEN_EXPRESSION
from liquid.undefined import Undefined

from newsletter.compose.liquid.dates import DATES
from newsletter.compose.liquid.nodes import SCENE, as_text, scene_of
from newsletter.site.slug import slugify

LONGEST = 500_000
"""Characters or items that a filter may take or make."""


def add_filters(environment: Environment) -> None:
    """Give `environment` the filters, and bound all that it has."""
    for name, function in _FILTERS.items():
        environment.add_filter(name, function)
    for name, function in list(environment.filters.items()):
        environment.filters[name] = _bounded(name, function)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        size = len(value) if isinstance(value, (str, list, range)) else 0
        if name == "replace" and size and len(args) > 1:
            size += str(value).count(str(args[0])) * len(str(args[1]))
        if size <= LONGEST:
            made = function(value, *args, **kwargs)
            if not isinstance(made, (str, list)) or len(made) <= LONGEST:
                return made
        raise ResourceLimitError(f"the filter {name} works on more than {LONGEST:,} characters or items", token=None)

    return bounded


# -- addresses


@with_context
def _relative_url(value: Any, *, context: RenderContext) -> str:
    site = scene_of(context).page.site
    text = _address(value)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", text):
        return text
    return site.base_path + (text if not text or text.startswith("/") else f"/{text}")


@with_context
def _absolute_url(value: Any, *, context: RenderContext) -> str:
    text = _address(value)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        return text
    return scene_of(context).page.site.origin + str(_relative_url(value, context=context))


def _strip_index(value: Any) -> str:
    return re.sub(r"/index\.html?\Z", "/", as_text(value))


def _address(value: Any) -> str:
    return (
        as_text(value.get("url")) if isinstance(value, Mapping) and not isinstance(value, Undefined) else as_text(value)
    )


# -- text


@with_context
def _markdownify(value: Any, *, context: RenderContext) -> str:
    from newsletter.compose.markdown.convert import render_markdown

    return render_markdown(as_text(value), scene_of(context).page)


@with_context
def _smartify(value: Any, *, context: RenderContext) -> str:
    html = str(_markdownify(value, context=context)).strip()
    return html.removeprefix("<p>").removesuffix("</p>")


def _number_of_words(value: Any, mode: str = "") -> int:
    text = as_text(value)
    cjk = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"
    count = len(re.findall(cjk, text)) if mode in {"cjk", "auto"} else 0
    return count + len(re.sub(cjk, " ", text).split()) if count or mode == "cjk" else len(text.split())


def _sentence(value: Any, connector: str = "and") -> str:
    items = [as_text(item) for item in _items(value)]
    if len(items) < 3:
        return f" {connector} ".join(items)
    return f"{', '.join(items[:-1])}, {connector} {items[-1]}"


def _slugify(value: Any, mode: Any = "default") -> str:
    return slugify(as_text(value), as_text(mode) or "default")


def _jsonify(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _inspect(value: Any) -> str:
    return escape(_jsonify(value))


# -- lists


def _where(value: Any, key: Any, wanted: Any = None) -> list[Any]:
    return [item for item in _items(value) if _matches(_property(item, as_text(key)), wanted)]


def _find(value: Any, key: Any, wanted: Any = None) -> Any:
    return next(iter(_where(value, key, wanted)), None)


@with_context
def _where_exp(value: Any, name: Any, expression: Any, *, context: RenderContext) -> list[Any]:
    condition = BooleanExpression.parse(context.env, _stream(as_text(expression)))
    found = []
    for item in _items(value):
        with context.extend({as_text(name): item}):
            if condition.evaluate(context):
                found.append(item)
    return found


@with_context
def _find_exp(value: Any, name: Any, expression: Any, *, context: RenderContext) -> Any:
    return next(iter(_where_exp(value, name, expression, context=context)), None)


def _group_by(value: Any, key: Any) -> list[dict[str, Any]]:
    return _grouped((as_text(_property(item, as_text(key))), item) for item in _items(value))


@with_context
def _group_by_exp(value: Any, name: Any, expression: Any, *, context: RenderContext) -> list[dict[str, Any]]:
    parsed = FilteredExpression.parse(context.env, _stream(as_text(expression)))
    pairs = []
    for item in _items(value):
        with context.extend({as_text(name): item}):
            pairs.append((as_text(parsed.evaluate(context)), item))
    return _grouped(pairs)


def _sort(value: Any, key: Any = None, nils: Any = "first") -> list[Any]:
    items = _items(value)
    name = as_text(key)

    def order(item: Any) -> tuple[Any, ...]:
        return place(_property(item, name) if name else item)

    def place(found: Any) -> tuple[Any, ...]:
        if found is None or isinstance(found, Undefined):
            return (0 if as_text(nils) != "last" else 2,)
        if isinstance(found, (int, float)):
            return (1, 0, found)
        if isinstance(found, list):
            return (1, 2, [place(each) for each in found])
        return (1, 1, found.isoformat() if isinstance(found, (date, datetime)) else as_text(found))

    return sorted(items, key=order)


def _grouped(pairs: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, list[Any]] = {}
    for name, item in pairs:
        groups.setdefault(name, []).append(item)
    return [{"name": name, "items": items, "size": len(items)} for name, items in groups.items()]


def _property(item: Any, key: str) -> Any:
    for part in key.split("."):
        item = item.get(part) if isinstance(item, Mapping) else None
    return item


def _matches(found: Any, wanted: Any) -> bool:
    if wanted is None or isinstance(wanted, Undefined):
        return found is None
    if isinstance(found, list):
        return any(as_text(item) == as_text(wanted) for item in found)
    return found is not None and as_text(found) == as_text(wanted)


def _stream(expression: str) -> TokenStream:
    return TokenStream(tokenize(expression, Token(TOKEN_EXPRESSION, expression, 0, expression)))


# -- values


def _items(value: Any) -> list[Any]:
    if value is None or isinstance(value, (Undefined, str)):
        return [value] if isinstance(value, str) and value else []
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, range)) else [value]


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > 16 or value is None or isinstance(value, Undefined):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items() if key not in {"excerpt", SCENE}}
    if isinstance(value, (list, tuple, range)):
        return [_plain(item, depth + 1) for item in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _integer(value: Any) -> int:
    match = re.match(r"\s*[-+]?\d{1,18}", as_text(int(value) if isinstance(value, (bool, float)) else value))
    return int(match[0]) if match else 0


def _count(value: Any) -> int:
    found = _integer(value)
    if found < 0:
        raise FilterArgumentError("can't take fewer than none", token=None)
    return found


_FILTERS: dict[str, Callable[..., Any]] = {
    "relative_url": _relative_url,
    "absolute_url": _absolute_url,
    "strip_index": _strip_index,
    "markdownify": _markdownify,
    "smartify": _smartify,
    "slugify": _slugify,
    "jsonify": _jsonify,
    "json": _jsonify,
    "inspect": _inspect,
    "xml_escape": lambda value: escape(as_text(value)),
    "cgi_escape": lambda value: quote_plus(as_text(value)),
    "uri_escape": lambda value: quote(as_text(value), safe="/-._~!$&'()*+,;=:@?#[]%"),
    "normalize_whitespace": lambda value: " ".join(as_text(value).split()),
    "number_of_words": _number_of_words,
    "array_to_sentence_string": _sentence,
    **DATES,
    "where": _where,
    "where_exp": _where_exp,
    "find": _find,
    "find_exp": _find_exp,
    "group_by": _group_by,
    "group_by_exp": _group_by_exp,
    "sort": _sort,
    "push": lambda value, item: [*_items(value), item],
    "unshift": lambda value, item: [item, *_items(value)],
    "pop": lambda value, number=1: _items(value)[: max(len(_items(value)) - _count(number), 0)],
    "shift": lambda value, number=1: _items(value)[_count(number) :],
    "sample": lambda value, number=1: (
        _items(value)[: _count(number)] if _count(number) > 1 else next(iter(_items(value)), None)
    ),
    "to_integer": _integer,
}
