"""What may lie where others can read it: files sealed with age (age-encryption.org, version 1), by pyrage.

One key does both: `NEWSLETTER_AGE_KEY` is an identity (`AGE-SECRET-KEY-1…`), and what is sealed is sealed to it. The
sealed state is a tar of the ledger, copied while others may write to it, and of what `[state] dir` holds beside the
test inbox. Written whole or not at all.
"""

import contextlib
import functools
import glob
import io
import os
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.errors import NewsletterError
from newsletter.state.private import private_file, private_folder, state_folder

if TYPE_CHECKING:
    import tarfile

    from newsletter.config.settings import Config

SUFFIX = ".age"
_DATABASE = "newsletter.db"
_KEPT = re.compile(r"secret|unsubscribe\.json|dkim/[\w.-]+\.pem")
"""What is sealed of the folder: what later sends need."""
_BESIDE = re.compile(r"-wal|-shm|-intents(-\d+)?")
"""What belongs to the ledger beside it: SQLite's own, and the log of a sender that was killed (ledger.log)."""


def new_key() -> tuple[str, str]:
    """A new key, and the public one that belongs to it."""
    identity = _pyrage().x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def seal_file(path: Path, config: "Config") -> Path:
    """Seal a file beside itself, as `path` with `.age`. Raises NewsletterError."""
    sealed = path.with_name(path.name + SUFFIX)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NewsletterError(f"can't be read: {error.strerror}; name a file that is there", path=path) from None
    _write(sealed, _encrypt(data, config), mode=0o644)
    return sealed


def open_file(path: Path, config: "Config", target: Path, *, replace: bool) -> Path:
    """Write what is sealed in `path` to `target`, readable by its owner alone. Raises NewsletterError."""
    data = unseal(path, config.age_key.get_secret_value())
    _refuse_if_there(target, replace=replace)
    _write(target, data, mode=0o600)
    return target


def seal_state(config: "Config", database: Path, target: Path) -> None:
    """Seal the ledger and what belongs to it into `target`. Raises NewsletterError."""
    if not database.exists():
        raise NewsletterError("there is no ledger to seal; nothing was ever sent from here", path=database)
    import tarfile  # a list that is no sealed one is read by this file too

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        _add(tar, _DATABASE, _snapshot(database))
        for path in sorted(
            database.parent.glob(f"{glob.escape(database.name)}-intents*")
        ):  # after the copy: it may know more
            _add(tar, path.name.replace(database.name, _DATABASE, 1), path.read_bytes())
        for path in sorted(config.state_dir.rglob("*")):
            name = path.relative_to(config.state_dir).as_posix()
            if _KEPT.fullmatch(name) and path.is_file():
                _add(tar, name, path.read_bytes())
    _write(target, _encrypt(packed.getvalue(), config), mode=0o644)


def open_state_file(config: "Config", source: Path, database: Path, *, replace: bool) -> list[str]:
    """Put back what `seal_state` sealed; what was. A ledger that is there stays, unless `replace`."""
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(unseal(source, config.age_key.get_secret_value()))) as tar:
            found = {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}
    except tarfile.TarError:
        raise NewsletterError("is no sealed state; `newsletter state seal` makes one", path=source) from None
    if _DATABASE not in found:
        raise NewsletterError("is no sealed state; `newsletter state seal` makes one", path=source)
    _refuse_if_there(database, replace=replace)
    for path in database.parent.glob(f"{glob.escape(database.name)}-*"):
        if _BESIDE.fullmatch(path.name.removeprefix(database.name)):
            path.unlink(missing_ok=True)
    folder = state_folder(config.state_dir)
    for name, data in found.items():
        if name == _DATABASE or _BESIDE.fullmatch(name.removeprefix(_DATABASE)):
            _write(database.with_name(database.name + name.removeprefix(_DATABASE)), data, mode=0o600)
        elif _KEPT.fullmatch(name) and (replace or not (folder / name).exists()):
            private_folder((folder / name).parent)
            _write(folder / name, data, mode=0o600)
    return sorted(found)


def unseal(path: Path, key: str) -> bytes:
    """What is sealed in `path`, with the key `key`. Raises NewsletterError."""
    identity = _identity(key)
    pyrage = _pyrage()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NewsletterError(f"can't be read: {error.strerror}; name a sealed file", path=path) from None
    try:
        plain: bytes = pyrage.decrypt(data, [identity])
    except pyrage.DecryptError as error:
        if "matching" in str(error):
            raise NewsletterError(
                "was sealed with another key; set NEWSLETTER_AGE_KEY to that one", path=path
            ) from None
        raise NewsletterError(f"is no file of age, or is damaged ({error}); seal it again", path=path) from None
    return plain


def readable(path: Path, config: "Config") -> Path:
    """A path under which what is sealed in `path` can be read, by this process and for its life alone."""
    try:
        modified = path.stat().st_mtime_ns
    except OSError:
        raise NewsletterError("no such list; `newsletter state seal FILE` makes it", path=path) from None
    return _in_memory(path, modified, config.age_key.get_secret_value())


@functools.lru_cache(maxsize=4)
def _in_memory(path: Path, _modified: int, key: str) -> Path:
    data = unseal(path, key)
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("list", 0)
        place = Path(f"/proc/{os.getpid()}/fd/{handle}")
    else:  # no such files: one on the disk, of our own, that goes when we do
        import atexit

        handle, name = tempfile.mkstemp(prefix="newsletter-")
        place = Path(name)
        atexit.register(lambda: place.unlink(missing_ok=True))
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(data)
    return place


def _encrypt(data: bytes, config: "Config") -> bytes:
    sealed: bytes = _pyrage().encrypt(data, [_identity(config.age_key.get_secret_value()).to_public()])
    return sealed


def _identity(key: str) -> Any:
    key = key.strip()
    if not key:
        raise NewsletterError("no key to seal or open with; set NEWSLETTER_AGE_KEY (`newsletter state key` makes one)")
    pyrage = _pyrage()
    try:
        return pyrage.x25519.Identity.from_str(key)
    except pyrage.IdentityError:
        raise NewsletterError("NEWSLETTER_AGE_KEY is no key of age; it begins with AGE-SECRET-KEY-1") from None


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError:
        what = "sealed files need pyrage, which is not installed; install newsletter-press[age]"
        raise NewsletterError(what) from None
    return pyrage


def _snapshot(database: Path) -> bytes:
    """The database as it is at one moment, with what its journal holds."""
    with (
        tempfile.TemporaryDirectory(prefix="newsletter-") as folder,
        contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
    ):
        copy = private_file(Path(folder) / _DATABASE)
        try:
            with contextlib.closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        except sqlite3.Error as error:
            raise NewsletterError(f"can't be copied ({error}); fix that first", path=database) from None
        return copy.read_bytes()


def _add(tar: "tarfile.TarFile", name: str, data: bytes) -> None:
    import tarfile

    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


def _refuse_if_there(path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise NewsletterError("is there already; --replace takes what is sealed instead", path=path)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Write `path` whole or not at all. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
