"""The state file: one schema for SQLite and PostgreSQL, its migrations, and opening it."""

from newsletter.state.open import open_sqlite, open_state, sqlite_path

__all__ = ["open_sqlite", "open_state", "sqlite_path"]
