"""Who of an issue is chosen for the run that was planned last stands in the rows: workers have no list."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("chosen", sa.Integer(), server_default=sa.text("1"), nullable=False))
