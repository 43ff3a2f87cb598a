"""The state file: one schema for SQLite and PostgreSQL, its migrations, and opening it."""
