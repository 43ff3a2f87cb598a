"""A lease counts how often its issue changed hands, and stays when nobody holds it (owner is then empty)."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("leases", sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
