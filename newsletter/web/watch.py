"""Notice that something the mail is made of was saved: posts, templates, list, config, the site's data.

Folders are watched, not files, because editors save by renaming. The newsletter's own folder is watched flat, so that a
`.venv` or `node_modules` in it costs nothing, and the folders that matter in depth. Saves within a moment come as one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from watchfiles import Change, awatch

from newsletter.config import STATE_DIR, Config

STEP_MS = 8
"""Milliseconds of quiet after a save before it is told."""
DEBOUNCE_MS = 60
"""Milliseconds after which it is told, quiet or not."""

DEEP_FOLDERS = (
    "email_templates", "_data", "_includes", "_layouts", "_sass", "assets", "images", "data", "static",
)  # fmt: skip
"""Folders beside newsletter.toml that are watched in depth, where they exist; the posts' too."""

_IGNORED_FOLDERS = frozenset({".git", STATE_DIR, "__pycache__", "node_modules", ".venv", "venv", "_site", "public"})
_IGNORED_ENDINGS = ("~", ".swp", ".swx", ".swo", ".tmp", ".db", ".db-wal", ".db-shm", ".db-journal", ".pyc", ".log")


def folders(config: Config) -> tuple[list[Path], list[Path]]:
    """What to watch flat, and what to watch in depth; existing folders, each once."""
    root = config.root
    source = root / config.subscribers.source
    flat = {root, source.parent.resolve()} if source.suffix else {root}
    deep = {(root / config.posts.dir).resolve(), *(root / name for name in DEEP_FOLDERS)} - {root}
    if root.resolve().is_relative_to((root / config.posts.dir).resolve()):
        deep -= {(root / config.posts.dir).resolve()}  # posts beside newsletter.toml: flat is enough
    top = [
        one for one in deep if one.is_dir() and not any(one != other and one.is_relative_to(other) for other in deep)
    ]
    return sorted(one for one in flat if one.is_dir()), sorted(top)


def matters(path: Path, root: Path) -> bool:
    """Is a change of `path` worth looking at? Not an editor's leavings, nor state, caches and version control."""
    name = path.name
    if (
        name.startswith((".#", "4913"))
        or name.endswith(_IGNORED_ENDINGS)
        or (name.startswith("#") and name.endswith("#"))
    ):
        return False
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    return not _IGNORED_FOLDERS.intersection(inner.parts)


async def changes(config: Config, stop: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """The files that were saved, made or deleted, as they are, until `stop` is set.

    A folder that appears under the newsletter's root is watched from then on, before the change is told that made it:
    so what is saved in it is either seen or still to be read.
    """
    queue: asyncio.Queue[frozenset[Path]] = asyncio.Queue()
    flat = folders(config)[0]
    tasks = [asyncio.create_task(_watch(queue, flat, config.root, stop, deep=False))]
    known: set[tuple[Path, int]] = set()
    stopping = asyncio.create_task(stop.wait())

    async def watch_new_folders() -> None:
        new = set(_identities(folders(config)[1])) - known
        known.update(new)
        tasks.extend(asyncio.create_task(_watch(queue, [path], config.root, stop, deep=True)) for path, _ in new)
        await asyncio.sleep(0)  # each has begun when this returns

    try:
        await watch_new_folders()
        while not stop.is_set():
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                return
            await watch_new_folders()
            yield getting.result()
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)


def _identities(paths: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Each folder with its inode: one that was deleted and made again is another."""
    for path in paths:
        with contextlib.suppress(OSError):
            yield path, path.stat().st_ino


async def _watch(
    queue: "asyncio.Queue[frozenset[Path]]", paths: Iterable[Path], root: Path, stop: asyncio.Event, *, deep: bool
) -> None:
    async for batch in awatch(
        *paths,
        watch_filter=lambda _change, path: matters(Path(path), root),
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=1000,
        stop_event=stop,
        recursive=deep,
        ignore_permission_denied=True,
    ):
        queue.put_nowait(_paths(batch))


def _paths(batch: Iterable[tuple[Change, str]]) -> frozenset[Path]:
    return frozenset(Path(path) for _, path in batch)
