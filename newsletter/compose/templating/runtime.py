"""The answers that a rewritten template asks for while it renders: is this dynamic, and what becomes of it?

One `Runtime` belongs to one rendering of one issue. It gathers tokens in its `Slots`, and bounds what a template may
do: turns of loops here, characters written in `environment`. Where the questions are placed is `rewrite`'s business.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, pass_environment
from jinja2.runtime import Macro
from markupsafe import Markup

from newsletter.compose.templating import rewrite
from newsletter.compose.templating.dynamic import (
    NAMES,
    Dynamic,
    DynamicNamespace,
    TokenMarkup,
    Tracer,
    Turn,
    is_dynamic,
    source_of,
)
from newsletter.compose.templating.slots import Slots, Tag, TagKind
from newsletter.errors import NewsletterError

MOST_TURNS = 200_000
"""Turns of all loops of a template together; a template that needs more is a mistake or an attack."""


@dataclass(slots=True)
class _OpenBlock:
    """An `if` or a `for` while it renders; `value` is the condition or what is looped over."""

    path: str
    line: int
    dynamic: bool
    value: Any = None  # an early condition, as a bool; what a loop runs over
    source: str = ""  # the opening tag, when dynamic
    condition: str = ""  # of a dynamic `if`
    name: str = ""  # of a dynamic loop: what `loop` is called there


class Runtime:
    """The state of one rendering; `install` makes an environment ask it."""

    def __init__(self, seed: str, known: Mapping[str, Any]) -> None:
        self.slots = Slots(seed)
        self.known = known
        self.dynamic = {name: Dynamic(self, name) for name in NAMES}
        self._names = itertools.count(1)
        self._open: list[int] = []  # the dynamic blocks that are being written, each by a number of its own
        self._turns = 0

    def install(self, environment: Environment) -> None:
        """Give `environment` this rendering's names, tests and filters."""
        environment.globals.update(self.known)
        environment.globals.update(self.dynamic)
        environment.globals["namespace"] = functools.partial(DynamicNamespace, lambda: tuple(self._open))
        environment.tests.update(
            {
                rewrite.IS_DYNAMIC: lambda values: any(map(is_dynamic, values)),
                rewrite.IS_MACRO: lambda value: isinstance(value, Macro),
                rewrite.ENTER: lambda block: block.dynamic or block.value is True,
                rewrite.ENTER_ELSE: lambda block: block.dynamic or block.value is False,
            }
        )
        environment.filters.update(
            {
                rewrite.TRACE: self._trace,
                rewrite.OPEN_IF: self._open_if,
                rewrite.OPEN_FOR: self._open_for,
                rewrite.ENTER: self._turn,
                rewrite.TAG: self._tag,
                rewrite.EITHER: self._either,
                rewrite.MARK_TOKENS: self._mark_tokens,
            }
        )

    def token(self, kind: TagKind, source: str, path: str, line: int) -> str:
        """Note a value or a tag of a block; the word that stands for it until the slots are cut out."""
        return self.slots.add(Tag(kind, source, path, line))

    @pass_environment
    def _trace(self, environment: Any, values: Mapping[str, Any], source: str, path: str, line: int) -> Any:
        """A dynamic expression: its source, with the values that are known now."""
        if isinstance(values.get(source), TokenMarkup):
            return values[source]
        try:
            node = environment.expression(source)
            tracer = Tracer(values, environment.evaluate, self.known, path, line)
            return Dynamic(self, tracer.write(node), path, line)
        except NewsletterError as error:
            raise error if error.path else NewsletterError(error.what, path=path, line=line) from None
        except RecursionError:
            raise
        except Exception as error:
            raise NewsletterError(f"{error}; correct the expression", path=path, line=line) from error

    def _open_if(self, value: Any, path: str, line: int) -> _OpenBlock:
        if isinstance(value, Dynamic):
            return _OpenBlock(path, line, True, source=f"if {value._source}", condition=value._source)
        return _OpenBlock(
            path, line, isinstance(value, TokenMarkup) and self._refuse_token_markup(path, line), value=bool(value)
        )

    def _open_for(self, value: Any, path: str, line: int, target: Any) -> _OpenBlock:
        if not isinstance(value, Dynamic):
            return _OpenBlock(path, line, False, value=value)
        number = next(self._names)
        fresh = _renamed(target, number)
        name = f"loop_{number}"
        return _OpenBlock(
            path,
            line,
            True,
            value=self._stand_in(fresh, path, line),
            source=f"for {_written(fresh)} in {value._source} %}}{{% set {name} = loop",
            name=name,
        )

    def _turn(self, block: _OpenBlock) -> Iterable[Any]:
        """What a loop runs over: its own items, counted, or one stand-in for all that come later."""
        return Turn(block.value, block.name) if block.dynamic else self._counted(block)

    def _counted(self, block: _OpenBlock) -> Iterator[Any]:
        for item in block.value:
            self._turns += 1
            if self._turns > MOST_TURNS:
                raise NewsletterError(
                    f"loops more than {MOST_TURNS:,} times; loop over less", path=block.path, line=block.line
                )
            yield item

    def _tag(self, block: _OpenBlock, name: str) -> str:
        if not block.dynamic:
            return ""
        kind: TagKind = "middle" if name == "else" else "close" if name.startswith("end") else "open"
        source = block.source if kind == "open" else name
        if kind == "open":
            self._open.append(next(self._names))
        elif kind == "close":
            self._open.pop()
        return Markup(self.token(kind, source, block.path, block.line))  # noqa: S704 (a token is a word)

    def _either(self, block: _OpenBlock, first: Any, second: Any) -> Any:
        """What a name holds after an `if` that set it."""
        if not block.dynamic:
            return first if block.value else second
        if first is second:
            return first
        try:
            one, other = (source_of(value, block.path, block.line) for value in (first, second))
        except NewsletterError as fault:  # of no account, if the name isn't used any more
            return Dynamic(self, fault, block.path, block.line)
        return Dynamic(self, f"({one} if {block.condition} else {other})", block.path, block.line)

    def _mark_tokens(self, text: str) -> str:
        if not self.slots.holds(text):
            return text
        return TokenMarkup(text)

    def _stand_in(self, fresh: Any, path: str, line: int) -> Any:
        if isinstance(fresh, tuple):
            return tuple(self._stand_in(item, path, line) for item in fresh)
        return Dynamic(self, fresh, path, line)

    def _refuse_token_markup(self, path: str, line: int) -> bool:
        raise NewsletterError(
            "text that depends on the reader can't decide an {% if %}; ask for the value inside it",
            path=path,
            line=line,
        )


def _renamed(target: Any, number: int) -> Any:
    """A loop's target, its names made unlike any other in the slot."""
    if isinstance(target, tuple):
        return tuple(_renamed(item, number) for item in target)
    return f"{target}_{number}"


def _written(target: Any) -> str:
    return "(" + "".join(_written(item) + ", " for item in target) + ")" if isinstance(target, tuple) else str(target)
