"""Workers, and the shards of issues that they take."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    large = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("issues", sa.Column("queued", sa.Double()))
    op.add_column("issues", sa.Column("secret", sa.Text()))
    op.create_table(
        "workers",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("heartbeat", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("workers_pk")),
    )
    op.create_table(
        "shards",
        sa.Column("number", large, nullable=False),
        sa.Column("issue", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Integer()),
        sa.Column("first", large, nullable=False),
        sa.Column("last", large, nullable=False),
        sa.Column("due", sa.Double()),
        sa.Column("job", large),
        sa.Column("serial", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["issue"], ["issues.number"], name=op.f("shards_issue_fk")),
        sa.PrimaryKeyConstraint("number", name=op.f("shards_pk")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("shards_issue", "shards", ["issue"])
