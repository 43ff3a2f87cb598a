"""Planning on PostgreSQL: no look for each recipient whether the issue is there; room on each page for updates."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint("deliveries_issue_fk", "deliveries", type_="foreignkey")
        op.execute("ALTER TABLE deliveries SET (fillfactor = 50)")
