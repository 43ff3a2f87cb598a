"""The state as the doctor looks at it: the one that is there; it makes none."""

from typing import TYPE_CHECKING

from newsletter.config.settings import Config
from newsletter.state import open_state, sqlite_path

if TYPE_CHECKING:
    from sqlalchemy import Engine


def existing_state(config: Config) -> "Engine | None":
    """The newsletter's state; None where its file is not there yet. Raises NewsletterError as opening it does."""
    if config.state.url.startswith("sqlite") and not sqlite_path(config).exists():
        return None
    return open_state(config)
