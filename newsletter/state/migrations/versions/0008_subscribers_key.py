"""The list's addresses are unique by an index of its own, which a long import makes anew."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("subscribers") as table:
        table.drop_constraint("subscribers_key_unique", type_="unique")
    op.create_index("subscribers_key", "subscribers", ["key"], unique=True)
