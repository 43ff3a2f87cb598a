"""Run the migrations between an older state and this program, in one transaction. Alembic is imported here alone."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


def migrate(found: str, connection: "Connection") -> bool:
    """Bring a state at the revision `found` up to date, in the transaction of `connection`; False for one unknown."""
    from alembic import command
    from alembic.config import Config as AlembicConfig
    from alembic.script import ScriptDirectory

    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    if found not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        return False
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
