"""What was asked of an issue (run, pause, cancel), when it is to begin, and until when it may be sent.

A pending delivery may have its own moment too (`not_before`), so the index of those due is of whoever has one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("issues", sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False))
    op.add_column("issues", sa.Column("starts", sa.Double()))
    op.add_column("issues", sa.Column("send_before", sa.Double()))
    op.drop_index("deliveries_due", table_name="deliveries")
    has_moment = sa.column("not_before").is_not(None)
    op.create_index(
        "deliveries_due", "deliveries", ["issue", "not_before"], sqlite_where=has_moment, postgresql_where=has_moment
    )
