"""Segments: a part of the audience, chosen by a Jinja2 expression over `subscriber`.

The expression is the author's and runs in Jinja2's sandbox, with filters and tests but no function in reach; a
subscriber's columns are data in it. A column that the list does not have is an error before anybody is chosen, not an
empty segment. What could take long, or make much of little, is evaluated within `bounds`.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter.audience.listing import RowBlock
from newsletter.audience.subscriber import TAGS, Subscriber, Tags
from newsletter.bounds import Overtime, bounded, needs_bounds
from newsletter.errors import NewsletterError

_EXAMPLE = "write it like subscriber.city == 'Lyon'"
_IN, _OUT = "1", "0"
SECONDS = 3.0
"""Of processor time, for one subscriber."""


class Segment:
    """Whether people belong to it. Not to be shared by threads.

    Raises NewsletterError where a value can't be compared, and names the subscriber.
    """

    def __init__(self, shown: str, template: Template, used: Sequence[str], *, is_bounded: bool) -> None:
        self._shown, self._template, self._used, self._is_bounded = shown, template, used, is_bounded
        self._waiting: Iterator[tuple[str, ...]] = iter(())  # the address, and what the expression asks for
        self._asked = ""  # the address of whom it is asked about
        self._answers = self._start()

    def __call__(self, subscriber: Subscriber) -> bool:
        known = {"email": subscriber.email, "name": subscriber.name, **subscriber.columns}
        person = (subscriber.email, *(known.get(field, "") for field in self._used))
        return self._belong(iter([person]), 1)[0]

    def of(self, block: RowBlock) -> list[bool]:
        """Whether those of a block who are mailed belong to it."""
        columns = [block.mailed(block.fields(field)) for field in ("email", *self._used)]
        return self._belong(zip(*columns, strict=True), len(columns[0]))

    def _belong(self, people: Iterator[tuple[str, ...]], count: int) -> list[bool]:
        self._waiting = people
        answers: Iterator[str] = islice(self._answers, count)
        try:
            if not self._is_bounded:
                return [answer == _IN for answer in answers]
            found = []
            for _ in range(count):
                with bounded(SECONDS):
                    found.append(next(answers) == _IN)
            return found
        except (Overtime, MemoryError) as error:
            self._answers = self._start()
            raise _too_much(f"{self._shown}, for {self._asked},", error) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, TemplateError) as error:
            self._answers = self._start()
            reason = str(error).rstrip(".")
            hint = "a column is text: for numbers write subscriber.age | int"
            if not isinstance(error, (TypeError, ValueError)):
                hint = _EXAMPLE
            raise NewsletterError(f"{self._shown} fails for {self._asked}: {reason}; {hint}") from None

    def _start(self) -> Iterator[str]:
        return self._template.root_render_func(self._template.new_context({"rows": self._rows()}))

    def _rows(self) -> Iterator[tuple[str | None, ...]]:
        tags = self._used.index(TAGS) + 1 if TAGS in self._used else None
        while True:
            person = next(self._waiting)
            self._asked = person[0]
            if tags is not None:
                person = (*person[:tags], Tags(person[tags]), *person[tags + 1 :])
            yield *person[1:], None


def compile_segment(expression: str, columns: Iterable[str], option: str = "--where") -> Segment:
    """The segment for which `expression` is true; `columns` of the list, without email and name; `option` is where the
    expression was given.

    Raises NewsletterError for an expression that can't be read or names no column of the list.
    """
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    environment.globals.clear()
    shown = f"{option} {expression!r}"
    names = _Fields(shown, ("email", "name", *columns), environment)
    try:
        condition = names.replace(_parse(expression, shown, environment))
        is_bounded = needs_bounds(condition)
    except RecursionError:
        raise _unreadable(shown[:60], "it is nested too deep") from None
    used = tuple(names.used)

    # One endless loop over subscribers: the template starts once, not once a subscriber, which is five times as fast.
    values = [nodes.Name(f"field_{number}", "store") for number in range(len(used))]
    target = nodes.Tuple([*values, nodes.Name("_", "store")], "store")
    choice = nodes.If(condition, [_says(_IN)], [], [_says(_OUT)])
    loop = nodes.For(target, nodes.Name("rows", "load"), [choice], [], None, False, lineno=1)
    module = nodes.Template([loop], lineno=1)
    module.set_environment(environment)
    try:
        with bounded(SECONDS):  # what is constant is evaluated here
            template = environment.from_string(module)
    except TemplateError as error:
        raise _unreadable(shown, str(error.message)) from None
    except RecursionError:
        raise _unreadable(shown[:60], "it is nested too deep") from None
    except (Overtime, MemoryError) as error:
        raise _too_much(shown, error) from None
    return Segment(shown, template, used, is_bounded=is_bounded)


class _Fields:
    """Replaces `subscriber.city` by the name of a variable, and refuses what the list does not have."""

    def __init__(self, shown: str, known: tuple[str, ...], environment: ImmutableSandboxedEnvironment) -> None:
        self._shown = shown
        self._known = known
        self._environment = environment
        self.used: dict[str, int] = {}  # each column's variable, by number

    def replace(self, node: nodes.Expr) -> nodes.Expr:
        """`node` and all below it."""
        match node:
            case nodes.Getattr(node=nodes.Name(name="subscriber"), attr=str(field)):
                return self._field(field)
            case nodes.Getitem(node=nodes.Name(name="subscriber"), arg=nodes.Const(value=str(field))):
                return self._field(field)
            case nodes.Name(name="subscriber"):
                raise _unreadable(self._shown, "`subscriber` needs a column, such as subscriber.email")
            case nodes.Name(name=name):
                hint = f"did you mean subscriber.{name}?" if name in self._known else _EXAMPLE
                raise NewsletterError(f"{self._shown}: {name!r} is not defined; {hint}")
            case nodes.Filter(name=name) if name not in self._environment.filters:
                raise self._no_such("filter", name, self._environment.filters)
            case nodes.Test(name=name) if name not in self._environment.tests:
                raise self._no_such("test", name, self._environment.tests)
        for field, value in node.iter_fields():
            if isinstance(value, nodes.Node):
                setattr(node, field, self._below(value))
            elif isinstance(value, list):
                value[:] = [self._below(item) if isinstance(item, nodes.Node) else item for item in value]
        return node

    def _below(self, node: nodes.Node) -> Any:
        return self.replace(node)  # type: ignore[arg-type]  # operands and pairs have fields like expressions

    def _field(self, field: str) -> nodes.Expr:
        if field not in self._known:
            near = difflib.get_close_matches(field, self._known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns: {', '.join(self._known)}"
            raise NewsletterError(f"{self._shown}: the list has no column {field!r}; {hint}")
        number = self.used.setdefault(field, len(self.used))
        return nodes.Name(f"field_{number}", "load", lineno=1)

    def _no_such(self, kind: str, name: str, known: Iterable[str]) -> NewsletterError:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "Jinja2's documentation lists them"
        return NewsletterError(f"{self._shown}: no {kind} is named {name!r}; {hint}")


def _parse(expression: str, shown: str, environment: ImmutableSandboxedEnvironment) -> nodes.Expr:
    if not expression.strip():
        raise _unreadable(shown, "it is empty")
    if "{{" in expression or "{%" in expression:
        raise _unreadable(shown, "it is written without {{ }}")
    try:
        parser = Parser(environment, expression, state="variable")
        condition = parser.parse_expression()
        if parser.stream.current.type == "assign":
            raise _unreadable(shown, "`=` sets a value, `==` compares")
        if not parser.stream.eos:
            raise _unreadable(shown, f"{parser.stream.current.value!r} is not expected there")
    except TemplateSyntaxError as error:
        raise _unreadable(shown, str(error.message).replace("end of template", "end")) from None
    return condition


def _too_much(shown: str, error: BaseException) -> NewsletterError:
    what = "memory" if isinstance(error, MemoryError) else "time"
    return NewsletterError(f"{shown} takes too much {what}; write it simpler")


def _says(text: str) -> nodes.Output:
    return nodes.Output([nodes.TemplateData(text)], lineno=1)


def _unreadable(shown: str, reason: str) -> NewsletterError:
    return NewsletterError(f"{shown} can't be read: {reason}; {_EXAMPLE}")
