"""Whether `[unsubscribe] url` has ever answered as it must: `check --links` asks and remembers, `send` looks.

One small file in the state folder; a newsletter without it has never been asked. Sending itself asks nobody.
"""

import contextlib
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.config.settings import Config

_FILE = "unsubscribe.json"


def remember_answer(config: "Config") -> None:
    """Write down that the address answered now."""
    from newsletter.state.private import state_folder, write_private

    told = {"url": config.unsubscribe.url, "answered": int(time.time())}
    with contextlib.suppress(OSError):  # it is only worth knowing
        write_private(state_folder(config.state_dir) / _FILE, json.dumps(told) + "\n")


def has_answered(config: "Config") -> bool:
    """Has the address, this very one, ever answered?"""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((config.state_dir / _FILE).read_text(encoding="utf-8"))
        return isinstance(told, dict) and told.get("url") == config.unsubscribe.url and bool(told.get("answered"))
    return False
