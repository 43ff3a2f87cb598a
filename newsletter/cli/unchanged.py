"""Is all that an issue was made of as it was? By what the file system says of the files, as git looks.

Whatever lies in the newsletter's folder counts, with the settings and the program itself; the state and what is kept
beside it do not. What is remembered is this machine's alone, and of no weight: where it is missing, or anything
differs, the post is composed and compared as ever. So whoever has nothing to send composes nothing.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.config.settings import Config

_FILE = "composed.json"
_MOST = 20_000
"""Files of a folder that are looked at, in a tenth of a second; with more, a post is composed each time."""
_KEPT = 20
"""Issues that are remembered: the last ones."""


def fingerprint(config: "Config", *asked: object) -> str:
    """A digest of all that could change an issue composed now, and of what was `asked`; empty where it is too much.

    Take it before composing: what changes meanwhile is then a difference.
    """
    import pydantic

    from newsletter.state.open import database_of
    from newsletter.state.sqlite import SqliteDatabase

    state, own = database_of(config), Path(__file__).parents[1]
    leave_out = (f"{config.state_dir}/", *([str(state.path)] if isinstance(state, SqliteDatabase) else []))
    files = list(islice(_files(str(config.root), leave_out), _MOST + 1))
    if len(files) > _MOST:
        return ""
    libraries = os.stat(Path(pydantic.__file__).parents[1]).st_mtime_ns  # an update of any of them touches the folder
    said = (config.path, config.model_dump_json(), asked, sys.version, libraries, time.tzname, *_files(str(own), ()))
    return hashlib.blake2b("\n".join([*files, *map(str, said)]).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _files(folder: str, leave_out: tuple[str, ...]) -> Iterator[str]:
    """Each file below the folder with what changes when it does, in an order that stays."""
    waiting = [folder]
    while waiting:
        found = []
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.name in (".git", "__pycache__") or f"{entry.path}/".startswith(leave_out):
                continue
            if entry.is_dir():
                waiting.append(entry.path)
            facts: tuple[int, ...] = ()
            if not entry.is_dir():
                with contextlib.suppress(OSError):  # a link to nowhere
                    told = entry.stat()
                    facts = (told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)
            yield f"{entry.path}\0{facts}"


def is_known(config: "Config", issue_id: str, inputs: str) -> bool:
    """Whether the issue, as it is frozen, was composed of the very same."""
    from newsletter.state.open import database_of
    from newsletter.state.questions import read_frozen

    known = _remembered(config).get(issue_id)
    if not inputs or not isinstance(known, list) or known[:1] != [inputs]:
        return False
    frozen = read_frozen(database_of(config), issue_id)
    return frozen is not None and known[1:] == [frozen[1]]


def remember(config: "Config", issue_id: str, inputs: str, frozen_hash: str) -> None:
    """Write down of what the issue was composed that is frozen with that hash."""
    from newsletter.state.private import state_folder, write_private

    known = _remembered(config)
    known.pop(issue_id, None)
    kept = [*known.items(), (issue_id, [inputs, frozen_hash])][-_KEPT:]
    with contextlib.suppress(OSError):  # it only saves time
        draft = state_folder(config.state_dir) / f"{_FILE}.{os.getpid()}"
        write_private(draft, json.dumps(dict(kept)) + "\n")
        draft.replace(config.state_dir / _FILE)


def _remembered(config: "Config") -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((config.state_dir / _FILE).read_text(encoding="utf-8"))
        return told if isinstance(told, dict) else {}
    return {}
