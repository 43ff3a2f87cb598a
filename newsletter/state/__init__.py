"""The state: one schema for SQLite and PostgreSQL, its migrations, and opening it."""

from newsletter.state.open import database_of, open_state
from newsletter.state.sqlite import open_sqlite

__all__ = ["database_of", "open_sqlite", "open_state"]
