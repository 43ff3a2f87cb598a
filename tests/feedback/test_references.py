"""Whose message a reference names, without trying every delivery for every mail."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, delete, event, insert

from newsletter.compose.message.ids import message_id, reference
from newsletter.feedback import references
from newsletter.feedback.references import ReferenceIndex
from newsletter.state.schema import deliveries, issues, metadata

SECRET = b"a secret of thirty-two characters"


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for number in (1, 2):
            connection.execute(
                insert(issues).values(
                    number=number, id=f"issue-{number}", post="", subject="", created=0.0, frozen="", hash="",
                    list_hash="",
                )
            )  # fmt: skip
    yield engine
    engine.dispose()


def plan(engine: Engine, issue: int, *names: str) -> None:
    rows = [
        {"issue": issue, "key": name, "email": f"{name}@example.org", "name": "", "columns": "{}", "state": "sent"}
        for name in names
    ]
    with engine.begin() as connection:
        connection.execute(insert(deliveries), rows)


def ref(issue: int, name: str) -> str:
    return reference(message_id(SECRET, f"issue-{issue}", f"{name}@example.org", "example.org"))


def test_references_find_their_message_and_forged_ones_cost_no_further_reading(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "SMALL", 3)  # the second piece is whole, the third is made anew
    readings = []

    @event.listens_for(engine, "before_cursor_execute")
    def count(*arguments: object) -> None:
        readings.append("deliveries.id > " in str(arguments[2]))

    index = ReferenceIndex(engine, SECRET)
    assert index.find([ref(1, "ada")]) is None
    plan(engine, 1, "ada", "grace", "linus")
    assert index.find(["a" * 26, ref(1, "grace")]) == ("grace@example.org", "issue-1")
    readings.clear()
    forged = [reference(f"<{number:032x}@example.org>") for number in range(50)]
    assert index.find([*forged, "not base32!", ""]) is None
    assert not any(readings)
    for name in ("ada", "margaret"):  # planned while we run
        plan(engine, 2, name)
        assert index.find([ref(2, name)]) == (f"{name}@example.org", "issue-2")
    assert index.find([ref(1, "linus")]) == ("linus@example.org", "issue-1")
    assert index.find([ref(2, "linus")]) is None


def test_whoever_was_erased_since_the_reading_is_nobody(engine: Engine) -> None:
    index = ReferenceIndex(engine, SECRET)
    plan(engine, 1, "ada", "grace")
    assert index.find([ref(1, "ada")]) == ("ada@example.org", "issue-1")
    with engine.begin() as connection:
        connection.execute(delete(deliveries).where(deliveries.c.key == "ada"))
    assert index.find([ref(1, "ada")]) is None
