"""Where the ledger of a test is: once in a file, once in PostgreSQL."""

from pathlib import Path

import pytest

from tests.delivery.sending import Place


@pytest.fixture(params=["sqlite", "postgresql"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A state with nobody in it: a file that is still to be made, or the address of a database."""
    if request.param == "sqlite":
        return tmp_path / "newsletter.db"
    monkeypatch.setattr("newsletter.delivery.ledger.postgres.ledger.LOOK", 0.0)  # a test may have a clock of its own
    return str(request.getfixturevalue("postgres").ready())
