"""Values known only when the recipient is: what a template's first stage does with them.

A `Dynamic` is an expression as source, with all that is known now already in it as literals. Written out, it leaves a
token; asked anything else (is it true? how long is it?), it refuses, because an answer would be the same for everybody.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, Protocol

from jinja2 import nodes
from jinja2.runtime import LoopContext, Macro, Undefined
from jinja2.utils import Namespace
from markupsafe import Markup

from newsletter.compose.templating.unparse import NotLiteral, Unparser, literal
from newsletter.errors import NewsletterError

NAMES = ("subscriber", "unsubscribe_url", "preferences_url", "view_url", "tracking")
"""What a template may mention and only a recipient can answer."""

MISSING = "not_set"
"""Stands in a slot for what was not defined, where a template asks whether it is."""

FACTS = ("post", "site", "newsletter", "issue")
"""What is known when an issue is composed; a slot may mention these too."""


class TokenSink(Protocol):
    """What a dynamic value needs of the place where slots are gathered."""

    def token(self, kind: Any, source: str, path: str, line: int) -> str: ...


class Dynamic:
    """A value that depends on the reader: Jinja2 source, and where the template says it."""

    __slots__ = ("_line", "_path", "_sink", "_written")

    def __init__(self, sink: TokenSink, source: str | NewsletterError, path: str = "", line: int = 0) -> None:
        self._sink, self._written, self._path, self._line = sink, source, path, line

    @property
    def _source(self) -> str:
        """The expression; raises what stands in its place when there is none and it is asked for after all."""
        if isinstance(self._written, NewsletterError):
            raise self._written
        return self._written

    def __str__(self) -> str:
        return self._sink.token("value", self._source, self._path, self._line)

    def __html__(self) -> str:
        return str(self)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NewsletterError(
            f"{short_source(self._source)} depends on the reader, and is used where it must be known for all; "
            "write it in {{ }}, in {% if %} or in {% for %}",
            path=self._path or None,
            line=self._line or None,
        )

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()


class TokenMarkup(Markup):
    """Text with tokens in it, from `{% set x %}…{% endset %}`; may be written out, not worked on."""


class DynamicNamespace(Namespace):
    """Jinja2's `namespace`, which can't change for one reader and not for another.

    `blocks()` says which blocks that depend on the reader are open.
    """

    def __init__(self, blocks: Callable[[], tuple[int, ...]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_made_in", (blocks, blocks()))

    def __setitem__(self, name: str, value: Any) -> None:
        blocks, made_in = object.__getattribute__(self, "_made_in")
        if is_dynamic(value) or blocks() != made_in:
            raise NewsletterError(
                f"a namespace can't change with the reader ({name}); use {{% set %}}, or write the value in its place"
            )
        super().__setitem__(name, value)


def is_dynamic(value: Any) -> bool:
    """Whether an expression that reads `value` depends on the reader; the counters of a dynamic loop do."""
    return isinstance(value, (Dynamic, TokenMarkup)) or (
        isinstance(value, LoopContext) and isinstance(value._iterable, Turn)
    )


class Turn(Iterator[Any]):
    """The iterator of a dynamic loop; `name` is what `loop` is called in its slot."""

    def __init__(self, item: Any, name: str) -> None:
        self._items, self.name = iter((item,)), name

    def __next__(self) -> Any:
        return next(self._items)


def source_of(value: Any, path: str, line: int) -> str:
    """Any value as source for the second stage; raises NewsletterError if it can't be kept until then."""
    if isinstance(value, Dynamic):
        return value._source
    if isinstance(value, LoopContext) and isinstance(value._iterable, Turn):
        return value._iterable.name
    if isinstance(value, Undefined):
        return MISSING
    try:
        if not isinstance(value, TokenMarkup):
            return literal(value)
    except NotLiteral:
        pass
    what = "text that depends on the reader" if isinstance(value, TokenMarkup) else f"a {type(value).__name__}"
    raise NewsletterError(
        f"{what} can't be worked on for each reader; use the texts and numbers in it one by one", path=path, line=line
    )


class Tracer(Unparser):
    """Writes an expression's source with everything that is known now replaced by its value.

    `evaluate(node, values)` computes an expression. Raises NewsletterError for what can be neither known now nor kept.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        evaluate: Callable[[nodes.Expr, Mapping[str, Any]], Any],
        known: Mapping[str, Any],
        path: str,
        line: int,
    ) -> None:
        self._values, self._evaluate, self._known, self._path, self._line = values, evaluate, known, path, line
        self._dynamic = {name for name, value in values.items() if is_dynamic(value)}

    def write(self, node: nodes.Expr) -> str:
        """`node` as source for the second stage."""
        names = _names(node)
        if names == {MISSING}:
            return MISSING
        if isinstance(node, nodes.Name) and node.name in self._dynamic:
            return source_of(self._values[node.name], self._path, self._line)
        if not names or names & self._dynamic or isinstance(node, nodes.Slice):
            return self._written(node)
        value = self._now(node)
        if isinstance(value, Undefined):
            raise NewsletterError(f"{value._undefined_message}; correct it or set it", path=self._path, line=self._line)
        if isinstance(node, nodes.Name) and value is self._known.get(node.name, self):
            return node.name
        try:
            return literal(value)
        except NotLiteral:
            if isinstance(node, nodes.Name):
                return source_of(value, self._path, self._line)
            return self._written(node)

    def _written(self, node: nodes.Expr) -> str:
        """`node` by its parts. `default` and `is defined` may ask for what isn't there; macros can't run later."""
        match node:
            case (
                nodes.Filter(name="default" | "d", node=operand)
                | nodes.Test(name="defined" | "undefined", node=operand)
            ):
                assert operand is not None, "only the filter of a filter block lacks its operand"
                if not _names(operand) & self._dynamic and isinstance(self._now(operand), Undefined):
                    node = copy.copy(node)
                    node.node = nodes.Name(MISSING, "load")
                    return super().write(node)
            case nodes.Call(node=called):
                if not _names(called) & self._dynamic and isinstance(self._now(called), Macro):
                    raise NewsletterError(
                        f"what the macro {short_source(Unparser().write(called))} makes for a reader can't be worked "
                        "on; write it out by itself: {{ … }}",
                        path=self._path,
                        line=self._line,
                    )
        return super().write(node)

    def _now(self, node: nodes.Expr) -> Any:
        return self._evaluate(node, {name: self._values[name] for name in _names(node) if name in self._values})


def _names(node: nodes.Expr) -> set[str]:
    own = {node.name} if isinstance(node, nodes.Name) else set()
    return own | {name.name for name in node.find_all(nodes.Name)}


def short_source(source: str, length: int = 60) -> str:
    """`source` for a message: its beginning, on one line."""
    line = " ".join(source.split())
    return line if len(line) <= length else line[: length - 1] + "…"
