"""A segment is an expression over a subscriber's columns."""

import resource

import pytest

from newsletter.audience import segment
from newsletter.audience.segment import compile_segment
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

ADA = Subscriber("ada@example.org", "Ada", {"city": "Lyon", "age": "42", "items": "x", "größe²": "XL"})
BOB = Subscriber("bob@example.com", "", {"city": "", "age": "9", "items": "", "größe²": ""})
COLUMNS = tuple(ADA.columns)


@pytest.mark.parametrize(
    "expression",
    [
        "subscriber.city == 'Lyon'",
        "subscriber['city'] in ('Lyon', 'Paris')",
        "subscriber.name",
        "subscriber.age | int > 9",
        "subscriber.city | lower == 'lyon' and not subscriber.name.startswith('B')",
        "subscriber.email.endswith('@example.org')",
        "subscriber.items == 'x'",
        "subscriber['größe²'] == 'XL'",
        "subscriber.city is ne ''",
        "subscriber.city == 'Lyon' if subscriber.name else false",
        "{'Lyon': true}.get(subscriber.city)",
    ],
)
def test_an_expression_chooses_whom_it_is_true_for(expression: str) -> None:
    belongs = compile_segment(expression, COLUMNS)
    assert [belongs(person) for person in (ADA, BOB, ADA)] == [True, False, True]


def test_a_subscriber_without_a_column_has_it_empty() -> None:
    assert compile_segment("subscriber.city == ''", ("city",))(Subscriber("zoe@example.org"))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "can't be read: it is empty"),
        ("subscriber.citi == 'x'", "the list has no column 'citi'; did you mean 'city'?"),
        ("subscriber.plan == 'x'", "the list has no column 'plan'; its columns: email, name, city"),
        ("subscriber.__class__", "the list has no column '__class__'"),
        ("city == 'Lyon'", "'city' is not defined; did you mean subscriber.city?"),
        ("range(9)", "'range' is not defined"),
        ("rows", "'rows' is not defined"),
        ("subscriber", "`subscriber` needs a column"),
        ("subscriber.city = 'Lyon'", "`==` compares"),
        ("subscriber.city ==", "unexpected 'end'"),
        ("subscriber.city 'Lyon'", "'Lyon' is not expected there"),
        ("subscriber.city && 1", "unexpected char '&'"),
        ("{{ subscriber.city }}", "without {{ }}"),
        ("subscriber.city | lowr == 'x'", "no filter is named 'lowr'; did you mean 'lower'?"),
        ("subscriber.city is strin", "no test is named 'strin'; did you mean 'string'?"),
        ("(" * 5000, "nested too deep"),
        ("+".join("1" * 5000), "nested too deep"),
    ],
)
def test_an_expression_that_can_not_be_meant_is_refused_before_anybody_is_chosen(expression: str, said: str) -> None:
    with pytest.raises(NewsletterError) as caught:
        compile_segment(expression, COLUMNS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("subscriber.age > 9", "fails for ada@example.org: '>' not supported"),
        ("1 / (subscriber.age | int - 42)", "division by zero"),
        ("subscriber.city.__class__.__mro__", "unsafe"),
        ("'{0.__class__}'.format(subscriber.city)", "unsafe"),
        ("subscriber.city.missing == 1", "has no attribute 'missing'"),
        ("subscriber.city | center(10 ** 10)", "for ada@example.org, takes too much memory"),
        ("subscriber.city.replace('', 'x' * 100000).replace('', 'x' * 100000)", "too much memory"),
        ("[subscriber.city] | batch(10 ** 10, 'x') | list", "too much memory"),
        ("(subscriber.city * 9000) | list | select('in', (subscriber.age * 9000) | list) | list", "too much time"),
    ],
)
def test_what_fails_names_the_subscriber_and_the_next_one_is_asked_afresh(
    expression: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said == "too much time":
        monkeypatch.setattr(segment, "SECONDS", 0.05)
    before = resource.getrlimit(resource.RLIMIT_AS)
    belongs = compile_segment(expression, COLUMNS)
    for _ in range(2):
        with pytest.raises(NewsletterError) as caught:
            belongs(ADA)
        assert said in str(caught.value)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_template_in_a_column_is_text() -> None:
    person = Subscriber("ada@example.org", "{{ 7 * 7 }}", {"city": "{% raise %}"})
    assert compile_segment("subscriber.name == '{' ~ '{ 7 * 7 }}'", ("city",))(person)
