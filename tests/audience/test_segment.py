"""Segments choose by columns, and say what they can't understand."""

import pytest

from newsletter.audience.segment import compile_segment
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

ADA = Subscriber("ada@example.org", "Ada", {"city": "Lyon", "visits": "7", "items": "x"})


@pytest.mark.parametrize(
    ("expression", "belongs"),
    [
        ("subscriber.city == 'Lyon'", True),
        ("subscriber.city in ['Oslo', 'Leeds']", False),
        ("subscriber['city']|lower == 'lyon' and subscriber.name", True),
        ("subscriber.visits|int > 6", True),
        ("subscriber.email.endswith('.org')", True),
        ("subscriber.items == 'x'", True),
    ],
)
def test_an_expression_chooses(expression: str, belongs: bool) -> None:
    assert compile_segment(expression, ADA.columns)(ADA) is belongs


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("subscriber.citty == 'Lyon'", "did you mean 'city'?"),
        ("city == 'Lyon'", "did you mean subscriber.city?"),
        ("subscriber.city =", "write subscriber.city == 'Lyon'"),
        ("", "write subscriber.city == 'Lyon'"),
    ],
)
def test_what_the_list_does_not_have_is_named(expression: str, said: str) -> None:
    with pytest.raises(NewsletterError, match="--where") as caught:
        compile_segment(expression, ADA.columns)
    assert said in str(caught.value)


def test_a_comparison_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(NewsletterError, match="mend the expression"):
        compile_segment("subscriber.city > 3", ADA.columns)(ADA)


def test_data_and_expressions_cannot_leave_the_sandbox() -> None:
    with pytest.raises(NewsletterError):
        compile_segment("subscriber.name.__class__.__mro__", ADA.columns)(ADA)
