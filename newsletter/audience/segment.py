"""Segments: a part of the audience, chosen by a Jinja2 expression over `subscriber`.

The expression is the author's and runs in Jinja2's sandbox, with filters and tests but nothing else in reach; a
subscriber's columns are data in it. A column that the list does not have is an error before anybody is chosen, not an
empty segment.
"""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

_EXAMPLE = "subscriber.city == 'Lyon'"
_FIELD = "field "
"""Before a column's name in the compiled expression: no name that can be written begins so."""


def compile_segment(expression: str, columns: Iterable[str]) -> Callable[[Subscriber], bool]:
    """Whether a subscriber belongs to the segment; `columns` of the list, without email and name.

    Raises NewsletterError for an expression that can't be read or names no column of the list; the function that it
    returns raises it where a value can't be compared, with the subscriber's address.
    """
    known = ("email", "name", *columns)
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    environment.globals.clear()
    tree = _Fields(expression, known).generic(_parse(expression, environment))
    assign = nodes.Assign(nodes.Name("chosen", "store"), tree, lineno=1)
    module = nodes.Template([assign], lineno=1)
    try:
        template = environment.from_string(module)
    except TemplateError as error:
        raise _unreadable(expression, error) from None
    render, new_context = template.root_render_func, template.new_context

    def belongs(subscriber: Subscriber) -> bool:
        context = new_context(
            {
                f"{_FIELD}email": subscriber.email,
                f"{_FIELD}name": subscriber.name,
                **{_FIELD + column: value for column, value in subscriber.columns.items()},
            }
        )
        try:
            for _ in render(context):
                pass
            return bool(context.vars["chosen"])
        except (TypeError, ValueError, ArithmeticError, LookupError, TemplateError) as error:
            raise _fails(expression, subscriber, error) from None

    return belongs
