"""The tables of the first release.

A new file is made at the newest revision (schema.sql), so no file is ever brought up to this one; what it looked like
is kept as a file: tests/state/first_release.db.
"""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: every file has been here."""
