"""The log of intents and replies beside the state file, and how much of it the rows have."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("leases", sa.Column("log_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("leases", sa.Column("log_mark", sa.Integer()))
