"""The suppression list, on a real state file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from newsletter.audience.suppression import Suppression, all_suppressions, suppress, suppressed, unsuppress
from newsletter.errors import NewsletterError
from newsletter.state import open_sqlite


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_sqlite(tmp_path / "newsletter.db")
    yield engine
    engine.dispose()


def test_an_address_is_suppressed_whatever_its_spelling(state: Engine) -> None:
    assert suppress(state, "Ada@Example.org", "complaint", "feedback", 1000.5)
    found = Suppression("Ada@example.org", "complaint", "feedback", 1000.5)
    assert suppressed(state, " ada@EXAMPLE.ORG ") == found
    assert list(all_suppressions(state)) == [found]
    assert suppressed(state, "bob@example.org") is None


def test_the_first_reason_stays(state: Engine) -> None:
    assert suppress(state, "ada@example.org", "unsubscribe", "web", 1)
    assert not suppress(state, "ADA@example.org", "bounce", "smtp", 2)
    assert not suppress(state, "ada@example.org", "complaint", "feedback", 3)
    assert suppressed(state, "ada@example.org") == Suppression("ada@example.org", "unsubscribe", "web", 1)


def test_what_somebody_asks_for_outlives_a_bounce(state: Engine) -> None:
    suppress(state, "ada@example.org", "bounce", "smtp", 1)
    assert not suppress(state, "ada@example.org", "unsubscribe", "web", 2)
    assert suppressed(state, "ada@example.org") == Suppression("ada@example.org", "unsubscribe", "web", 2)


def test_an_address_can_be_allowed_again(state: Engine) -> None:
    suppress(state, "ada@example.org", "manual", "cli", 1)
    assert unsuppress(state, "Ada@example.org")
    assert not unsuppress(state, "ada@example.org")
    assert suppressed(state, "ada@example.org") is None


def test_the_list_is_in_order_of_time(state: Engine) -> None:
    for number, email in enumerate(("zoe@example.org", "ada@münchen.example", "bob@example.org")):
        suppress(state, email, "manual", "cli", number)
    assert [row.email for row in all_suppressions(state)] == [
        "zoe@example.org",
        "ada@xn--mnchen-3ya.example",
        "bob@example.org",
    ]


def test_what_is_no_address_is_refused(state: Engine) -> None:
    with pytest.raises(NewsletterError, match="no '@' in 'ada'"):
        suppress(state, "ada", "manual", "cli", 1)
