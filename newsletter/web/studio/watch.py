"""Notice that something the mail is made of was saved: posts, templates, list, config, the site's data.

Folders are watched, not files, because editors save by renaming. The newsletter's own folder is watched flat, so that a
`.venv` or `node_modules` in it costs nothing, and the folders that matter in depth. Saves within a moment come as one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import Change, awatch

from newsletter.config.settings import STATE_DIR, Config
from newsletter.errors import NewsletterError

STEP_MS = 8
"""Milliseconds of quiet after a save before it is told."""
DEBOUNCE_MS = 60
"""Milliseconds after which it is told, quiet or not."""

DEEP_FOLDERS = (
    "email_templates", "_data", "_includes", "_layouts", "_sass", "assets", "images", "data", "static",
)  # fmt: skip
"""Folders beside newsletter.toml that are watched in depth, where they exist; the posts' too."""

_IGNORED_FOLDERS = frozenset({".git", STATE_DIR, "__pycache__", "node_modules", ".venv", "venv", "_site", "public"})
_IGNORED_ENDINGS = (
    "~",
    ".swp",
    ".swx",
    ".swo",
    ".tmp",
    ".db",
    ".db-wal",
    ".db-shm",
    ".db-journal",
    ".db-intents",
    ".pyc",
    ".log",
)


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


async def changes(config_now: Callable[[], Config], stop: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """The files that were saved, made or deleted, as they are, until `stop` is set.

    `config_now` is asked again after each change, which may have been of the config. A folder that appears under the
    newsletter's root is watched from then on, before the change is told that made it: so what is saved in it is either
    seen or still to be read.
    """
    queue: asyncio.Queue[frozenset[Path]] = asyncio.Queue()
    root = config_now().root
    tasks: list[asyncio.Task[None]] = []
    known: set[tuple[bool, Path, int]] = set()
    stopping = asyncio.create_task(stop.wait())

    async def watch_new_folders() -> None:
        with contextlib.suppress(NewsletterError):  # a config that is being mended
            flat, deep = folders(config_now())
            for is_deep, paths in ((False, flat), (True, deep)):
                for path, inode in _identities(paths):
                    if (is_deep, path, inode) not in known:
                        known.add((is_deep, path, inode))
                        tasks.append(asyncio.create_task(_watch(queue, path, root, stop, deep=is_deep)))
        await asyncio.sleep(0)  # each has begun when this returns

    try:
        while not stop.is_set():
            await watch_new_folders()
            getting = asyncio.create_task(queue.get())
            try:
                await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    return
                changed = getting.result()
            finally:
                getting.cancel()
            await watch_new_folders()
            yield changed
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
    queue: "asyncio.Queue[frozenset[Path]]", folder: Path, root: Path, stop: asyncio.Event, *, deep: bool
) -> None:
    """Put what changes in `folder` on `queue`; by polling where the system has no watches left."""
    for polling in (None, True):
        try:
            async for batch in awatch(
                folder,
                watch_filter=lambda _change, path: matters(Path(path), root),
                debounce=DEBOUNCE_MS,
                step=STEP_MS,
                rust_timeout=1000,
                stop_event=stop,
                recursive=deep,
                force_polling=polling,
                poll_delay_ms=100,
                ignore_permission_denied=True,
            ):
                queue.put_nowait(_paths(batch))
        except OSError:
            continue
        return


def _paths(batch: Iterable[tuple[Change, str]]) -> frozenset[Path]:
    return frozenset(Path(path) for _, path in batch)
