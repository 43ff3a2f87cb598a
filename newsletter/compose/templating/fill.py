"""Fill slots: stage two of a template, once a recipient.

Nothing is compiled here but once an issue: a slot that only looks something up becomes a plain function, all other
slots of one text become blocks of one compiled template. Only slots run, never the text around them. Subscriber data
goes in as values, escaped in HTML; it is never source.
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.filters import do_urlencode
from markupsafe import escape

from newsletter.bounds import Overtime, bounded, needs_bounds
from newsletter.compose.issue import Piece, Slot
from newsletter.compose.templating.dynamic import short_source
from newsletter.compose.templating.environment import FOLDER, Sandbox, join_bounded
from newsletter.compose.templating.slots import slots_of
from newsletter.compose.templating.template_error import template_error
from newsletter.errors import NewsletterError

Fill = Callable[["Reader"], str]
"""A slot's text for a reader."""

SECONDS = 3.0
"""Of processor time, for one slot of one reader."""
_MOST_RANGE = 1_000
_MAY_LACK = frozenset({"default", "d", "defined", "undefined"})
_harmless = re.compile("[^&<>'\"]*\\Z").match
_COLUMN = re.compile(r"\{\{ subscriber\.([^\W\d]\w*) \}\}")
_COLUMN_OR = re.compile(r'\{\{ \(subscriber\.([^\W\d]\w*) or "([^"\\]*)"\) \}\}')
_COLUMN_IN_URL = re.compile(r"\{\{ \(subscriber\.([^\W\d]\w*)\|urlencode\) \}\}")
_FOR_READERS = re.compile(r"\{% if subscriber %\}((?:(?!\{[%#]).)*)\{% endif %\}", re.DOTALL)
_VALUE = re.compile(r"(\{\{[^{}]*\}\})")
_ADDRESS = re.compile(r"\{\{ (unsubscribe_url|preferences_url|view_url|tracking) \}\}")


class Columns:
    """`subscriber` as a slot sees it: the columns and nothing else, whatever they are called; false if nobody reads."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def __str__(self) -> str:
        return self.values["email"]

    def __bool__(self) -> bool:
        return bool(self.values["email"])


class Reader:
    """One recipient's values; addresses with a token are made when a slot first asks for them."""

    __slots__ = ("_made", "_make", "columns")

    def __init__(self, columns: Mapping[str, str], make: "Callable[[str, Reader], str]") -> None:
        self.columns = columns
        self._make = make
        self._made: dict[str, str] = {}

    def address(self, name: str) -> str:
        """`unsubscribe_url` and its kind."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name, self)
        return made


def for_readers(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """`pieces` as mails have them: what `{% if subscriber %}` holds needs no logic where somebody reads."""
    found: list[Piece] = []
    for piece in pieces:
        block = None if isinstance(piece, str) else _FOR_READERS.fullmatch(piece.source)
        parts = _VALUE.split(block[1]) if block else []
        if isinstance(piece, str) or not parts or any("{{" in text for text in parts[::2]):
            found.append(piece)
            continue
        found += [Slot(part, piece.path, piece.line) if at % 2 else part for at, part in enumerate(parts) if part]
    return tuple(found)


class Filler:
    """The slots of one text, ready to be filled; `fills` are in the order of the slots, equal slots share a function.

    Not to be shared by threads. `columns`, when given, are all that the list has: a slot that mentions another is
    refused now, with the template's line. `harmless`: the addresses that stand in HTML as they are.
    """

    def __init__(
        self, pieces: Sequence[Piece], context: Mapping[str, Any], *, html: bool,
        columns: Collection[str] | None = None, harmless: Collection[str] = (),
    ) -> None:  # fmt: skip
        slots = list(slots_of(tuple(pieces)))
        self._environment = _Environment(html)
        self._reader: Reader | None = None
        known: dict[str, Fill] = {}
        logic: list[Slot] = []
        for slot in slots:
            if slot.source in known:
                continue
            self._check(slot, columns)
            if fill := _lookup(slot, html, harmless):
                known[slot.source] = fill
            else:
                logic.append(slot)
                known[slot.source] = _unfilled
        if logic:
            known.update(self._compile(logic, context))
        self.fills: list[Fill] = [known[slot.source] for slot in slots]

    def _compile(self, slots: Sequence[Slot], issue_context: Mapping[str, Any]) -> dict[str, Fill]:
        source = "".join(f"{{% block slot{n} %}}{slot.source}{{% endblock %}}" for n, slot in enumerate(slots))
        template = self._environment.from_string(source)
        context = template.new_context(dict(issue_context))
        names: dict[str, Any] = context.parent
        mentioned = meta.find_undeclared_variables(self._environment.parse(source))
        addresses = [
            name for name in ("unsubscribe_url", "preferences_url", "view_url", "tracking") if name in mentioned
        ]

        def turn_to(reader: Reader) -> None:
            """Give the context this reader's values, once for all slots."""
            names["subscriber"] = Columns(reader.columns)
            for name in addresses:
                names[name] = reader.address(name)
            self._reader = reader

        def filled(slot: Slot, block: Callable[[Any], Any]) -> Fill:
            is_bounded = needs_bounds(self._environment.parse(slot.source))

            def fill(reader: Reader) -> str:
                if reader is not self._reader:
                    turn_to(reader)
                try:
                    if not is_bounded:
                        return join_bounded(block(context))
                    with bounded(SECONDS):
                        return join_bounded(block(context))
                except (Overtime, Exception) as error:
                    raise _fault(error, slot, reader) from error

            return fill

        return {slot.source: filled(slot, template.blocks[f"slot{n}"]) for n, slot in enumerate(slots)}

    def _check(self, slot: Slot, columns: Collection[str] | None) -> None:
        """Raise NewsletterError for a slot that can't be compiled, or that asks for a column the list doesn't have."""
        try:
            tree = self._environment.parse(slot.source)
        except jinja2.TemplateSyntaxError as error:
            what = f"{str(error.message).rstrip('.')}; correct the template"
            raise NewsletterError(what, path=slot.path, line=slot.line) from error
        guards: list[Any] = [*tree.find_all(nodes.Filter), *tree.find_all(nodes.Test)]
        known = {nodes.Filter: self._environment.filters, nodes.Test: self._environment.tests}
        for guard in guards:
            if guard.name not in known[type(guard)]:
                what = f"No {type(guard).__name__.lower()} named {guard.name!r}; correct the template"
                raise NewsletterError(what, path=slot.path, line=slot.line)
        if columns is None:
            return
        asked = {id(guard.node) for guard in guards if guard.name in _MAY_LACK}
        lookups: list[Any] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
        for node in lookups:
            if not (isinstance(node.node, nodes.Name) and node.node.name == "subscriber") or id(node) in asked:
                continue
            name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
            if isinstance(name, str) and name not in {*columns, "email", "name"}:
                has = ", ".join(sorted({"email", "name", *columns}))
                raise NewsletterError(
                    f"subscriber.{name} is no column of the list, which has {has}; correct the name, or write "
                    f"{{{{ subscriber.{name}|default('') }}}}",
                    path=slot.path,
                    line=slot.line,
                )


class _Environment(Sandbox):
    """The sandbox of the second stage."""

    def __init__(self, html: bool) -> None:
        super().__init__(autoescape=html)
        self.globals["range"] = _range

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is Columns:
            try:
                return obj.values[attribute]
            except KeyError:
                return self.undefined(f"no column {attribute!r}")
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if type(obj) is Columns:
            return self.getattr(obj, str(argument))
        return super().getitem(obj, argument)


def is_harmless(text: str) -> bool:
    """Whether it stands in HTML as it is."""
    return _harmless(text) is not None


def _lookup(slot: Slot, html: bool, harmless: Collection[str]) -> Fill | None:
    """A function for a slot that only looks something up, or None."""
    finish: Callable[[str], str] = _escaped if html else str
    if match := _COLUMN.fullmatch(slot.source):
        return _column(slot, match[1], finish)
    if match := _COLUMN_OR.fullmatch(slot.source):
        column, otherwise = _column(slot, match[1], finish), finish(match[2])
        return lambda reader: column(reader) or otherwise
    if match := _COLUMN_IN_URL.fullmatch(slot.source):
        return _column(slot, match[1], do_urlencode)
    if match := _ADDRESS.fullmatch(slot.source):
        return _address(match[1], html and match[1] not in harmless)
    return None


@functools.cache
def _address(name: str, html: bool) -> Fill:
    """One function for the text and for HTML that takes the address as it is: it is asked and encoded once."""
    return lambda reader: _escaped(reader.address(name)) if html else reader.address(name)


def _column(slot: Slot, name: str, finish: Callable[[str], str]) -> Fill:
    def fill(reader: Reader) -> str:
        try:
            return finish(reader.columns[name])
        except KeyError:
            raise _fault(jinja2.UndefinedError(f"no column {name!r}"), slot, reader) from None

    return fill


def _escaped(value: str) -> str:
    return value if _harmless(value) else str(escape(value))


def _fault(error: Exception | Overtime, slot: Slot, reader: Reader) -> NewsletterError:
    """A slot failed for one reader."""
    if isinstance(error, jinja2.UndefinedError):
        has = ", ".join(sorted(reader.columns))
        what = f"{error.message}; the list has {has}: correct the name, or use `default`"
    elif isinstance(error, Overtime):
        what = f"takes too long, over {SECONDS:g} seconds; write it simpler"
    else:
        what = template_error(error, slot.path, FOLDER).what
    return NewsletterError(
        f"{short_source(slot.source)} for {reader.columns['email']}: {what}", path=slot.path, line=slot.line
    )


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > _MOST_RANGE:
        raise OverflowError(f"a range of {len(made):,} for each reader; {_MOST_RANGE:,} is the most")
    return made


def _unfilled(reader: Reader) -> str:
    raise AssertionError("a slot with logic is compiled before it is filled")
