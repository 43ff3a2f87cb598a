"""The state as the doctor looks at it: the one that is there; it makes none."""

from typing import TYPE_CHECKING

from newsletter.config.settings import Config
from newsletter.state import database_of

if TYPE_CHECKING:
    from sqlalchemy import Engine


def existing_state(config: Config) -> "Engine | None":
    """The newsletter's state; None where it is not there yet. Raises NewsletterError as opening it does."""
    state = database_of(config)
    return state.engine() if state.exists() else None
