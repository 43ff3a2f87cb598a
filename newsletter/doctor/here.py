"""This machine and this folder: secrets, clock, the state file and its backup, and whom the last send left in doubt."""

import contextlib
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from newsletter.config.settings import Config
from newsletter.delivery.ledger.report import issue_counts
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.state import existing_state
from newsletter.errors import NewsletterError
from newsletter.state import database_of
from newsletter.state.database import Database
from newsletter.state.sqlite import SqliteDatabase

AWRY = 300.0
"""Seconds that a clock may differ: signatures and dates are held against others' clocks."""
ROOM = 200_000_000
BACKUP_OLD = 7 * 86_400
_COPIES = (
    "*.bak",
    "*.backup",
    "*.copy",
    "*.sealed",
    "*.age",
    "*.age.*",
    "*.gpg",
    "*.db.*",
    "*-backup*.db",
    "backup*/*.db*",
)


def examine_here(config: Config, outside: datetime | None) -> list[Diagnosis]:
    """`outside`: what time it is elsewhere, if somebody said."""
    return [*_secrets(config), *_ignored(config), *_clock(outside), *_state(config), *_unknowns(config)]


def _secrets(config: Config) -> list[Diagnosis]:
    open_files = []
    count = 0
    for path in _secret_files(config):
        with contextlib.suppress(OSError):
            count += 1
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                open_files.append(path)
    if open_files:
        names = " ".join(_shown(path, config) for path in open_files)
        what = f"others on this machine can read {names}"
        return [Diagnosis("secrets", "fail", what, f"run `chmod 600 {names}`")]
    if not count and not config.secret.get_secret_value():
        what = "there is no secret yet; it is made with the first message, in .newsletter/secret"
        return [Diagnosis("secrets", "skip", what)]
    return [Diagnosis("secrets", "pass", "secrets are in files that their owner alone can read, or in the environment")]


def _secret_files(config: Config) -> Iterator[Path]:
    yield from filter(Path.is_file, [config.state_dir / "secret", config.state_dir / "page-token"])
    keys = config.dkim.key_file if isinstance(config.dkim.key_file, list) else [config.dkim.key_file]
    for name in (*keys, config.smtp.password_file, config.feedback.password_file):
        if name and (config.root / name).is_file():
            yield config.root / name
    with contextlib.suppress(NewsletterError):
        state = database_of(config)
        if isinstance(state, SqliteDatabase) and state.path.is_file():
            yield state.path


def _ignored(config: Config) -> list[Diagnosis]:
    """Whether a secret, or the list of who was mailed, has got into git."""
    command = ["git", "-C", str(config.root), "ls-files", "--", ".newsletter", "*.pem", "*.db"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    names = run.stdout.split("\n")[:-1] if run.returncode == 0 else []
    if not names:
        return []
    what = f"git has {', '.join(names[:3])}, which is secret: whoever reads the repository can forge links, or mail"
    fix = f"run `git rm --cached {' '.join(names[:3])}`, put it into .gitignore, and make a new key or secret"
    return [Diagnosis("git", "fail", what, fix)]


def _clock(outside: datetime | None) -> list[Diagnosis]:
    if outside is None:
        return [Diagnosis("clock", "skip", "nobody was there to compare the clock with")]
    off = time.time() - outside.timestamp()
    if abs(off) > AWRY:
        side = "fast" if off > 0 else "slow"
        what = f"this machine's clock is {abs(off) / 60:.0f} minutes {side}: mail and signatures are dated wrong"
        return [Diagnosis("clock", "fail", what, "set it by the network (NTP): `timedatectl set-ntp true`")]
    return [Diagnosis("clock", "pass", "the clock agrees with that of the public pages")]


def _state(config: Config) -> list[Diagnosis]:
    try:
        state = database_of(config)
    except NewsletterError as error:
        return [Diagnosis("state", "skip", str(error))]
    return _state_file(config, state.path) if isinstance(state, SqliteDatabase) else _state_server(state)


def _state_server(state: Database) -> list[Diagnosis]:
    """A state on a server, whose backups can't be seen from here."""
    try:
        if not state.exists():
            what = f"there is no state yet ({state.name}); the first send makes it"
            return [Diagnosis("state", "skip", what)]
    except NewsletterError as error:
        return [Diagnosis("state", "fail", str(error), "mend [state] url, or start the server")]
    what = "who was mailed is known to the server alone, and whether it is backed up can't be seen from here"
    return [
        Diagnosis("state", "pass", f"{state.name}, which knows who was mailed, answers"),
        Diagnosis("backup", "skip", what),
    ]


def _state_file(config: Config, path: Path) -> list[Diagnosis]:
    if not path.exists():
        return [
            Diagnosis("state", "skip", f"there is no state file yet ({_shown(path, config)}); the first send makes it")
        ]
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        said = str(error)
    name = _shown(path, config)
    if said != "ok":
        what = f"{name}, which knows who was mailed, is damaged: {said}"
        return [Diagnosis("state", "fail", what, "restore it from a backup before anything is sent")]
    diagnoses = [Diagnosis("state", "pass", f"{name}, which knows who was mailed, is sound")]
    free = shutil.disk_usage(path.parent).free
    if free < ROOM:
        what = f"{free / 1_000_000:.0f} MB are free beside {name}; a full disk stops a send"
        diagnoses.append(Diagnosis("disk", "warn", what, "make room"))
    return [*diagnoses, _backup(path, name)]


def _backup(path: Path, name: str) -> Diagnosis:
    """A copy beside it, as far as one can be seen from here."""
    copies = {copy for pattern in _COPIES for copy in path.parent.glob(pattern)}
    ours = [
        copy for copy in copies if copy != path and path.stem in copy.name and not copy.name.endswith(("-wal", "-shm"))
    ]
    newest = max((copy.stat().st_mtime for copy in ours), default=0.0)
    if newest and path.stat().st_mtime - newest < BACKUP_OLD:
        return Diagnosis("backup", "pass", f"there is a copy of {name} beside it")
    old = "the newest copy is older than a week" if newest else "no copy can be seen from here"
    what = f"without {name} people are mailed twice, or against their will; {old}"
    return Diagnosis(
        "backup",
        "warn",
        what,
        "copy it after each send, elsewhere: `newsletter state seal` puts it, the secret and DKIM keys into one file",
    )


def _unknowns(config: Config) -> list[Diagnosis]:
    """Whom the newest issue left in doubt."""
    try:
        engine = existing_state(config)
    except NewsletterError as error:
        return [Diagnosis("unknown", "fail", str(error))]
    if engine is None:
        return []
    counts = issue_counts(engine)
    engine.dispose()
    if not counts:
        return []
    newest = counts[0]
    if newest["unknown"]:
        issue = newest["issue"]
        what = (
            f"{newest['unknown']:,} may have {issue} or not: the connection was lost after their message had gone out"
        )
        fix = f"`newsletter deliveries {issue} --state unknown` names them; `send --resend-unknown` sends it again"
        return [Diagnosis("unknown", "warn", what, fix)]
    return [Diagnosis("unknown", "pass", f"nobody is in doubt over {newest['issue']}, the newest issue")]


def _shown(path: Path, config: Config) -> str:
    return str(path.relative_to(config.root)) if path.is_relative_to(config.root) else str(path)
