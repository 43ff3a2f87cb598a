"""One sender an issue: who holds it, and whether that process still lives.

On the same machine and boot the process is looked up, so a dead owner is noticed at once and a stopped one is left in
peace; elsewhere the age of its heartbeat decides. A former owner notices at its next commit that its lease was taken
over: delivery.ledger records no intent without it.
"""

import os
import secrets
import socket
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import TryAgainLater

HEARTBEAT = 5.0
STALE = 30.0
"""Seconds without a heartbeat after which an owner on another machine is taken for dead."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, so that its like is not taken for it: a pid is used again, and means nothing in another namespace."""

    host: str
    boot: str
    pid: int
    mark: str  # pid namespace and start time; empty where /proc is not

    @classmethod
    def current(cls) -> "Process":
        """This process."""
        return cls(socket.gethostname(), boot_id(), os.getpid(), _mark(os.getpid()))

    def lives(self, here: "Process") -> bool | None:
        """Whether it still runs, as seen from `here`; None where that can't be told."""
        if self.host != here.host:
            return None
        if self.boot != here.boot:
            return False
        if self.mark.partition(":")[0] != here.mark.partition(":")[0]:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not self.mark or _mark(self.pid) == self.mark


def boot_id() -> str:
    """The kernel's id of this boot; empty where there is none, which counts as another boot each time."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _mark(pid: int) -> str:
    """Pid namespace and start time of a process, from /proc; a zombie has none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{namespace}:{fields[19]}"


class Lease:
    """The right to send one issue, from `acquire` to `release`."""

    def __init__(self, issue_id: str, owner: str) -> None:
        self.issue_id = issue_id
        self.owner = owner

    @classmethod
    def acquire(cls, db: sqlite3.Connection, issue_id: str, now: float) -> "Lease":
        """Take the lease, from a dead owner if need be. Raises TryAgainLater, which names a living one."""
        here = Process.current()
        _check(db, issue_id, here, now)  # before waiting for the write lock: the answer comes at once
        db.execute("BEGIN IMMEDIATE")
        try:
            _check(db, issue_id, here, now)
            owner = secrets.token_hex(16)
            db.execute(
                "INSERT OR REPLACE INTO leases (issue, owner, host, boot, pid, process, since, heartbeat)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (issue_id, owner, here.host, here.boot, here.pid, here.mark, now, now),
            )
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return cls(issue_id, owner)

    def beat(self, db: sqlite3.Connection, now: float) -> bool:
        """Say that we live; False when another sender has taken over."""
        done = db.execute(
            "UPDATE leases SET heartbeat = ? WHERE issue = ? AND owner = ?", (now, self.issue_id, self.owner)
        )
        return done.rowcount == 1

    def release(self, db: sqlite3.Connection) -> None:
        """Give it back."""
        db.execute("DELETE FROM leases WHERE issue = ? AND owner = ?", (self.issue_id, self.owner))


def _check(db: sqlite3.Connection, issue_id: str, here: Process, now: float) -> None:
    row = db.execute(
        "SELECT host, boot, pid, process, since, heartbeat FROM leases WHERE issue = ?", (issue_id,)
    ).fetchone()
    if row is None:
        return
    owner = Process(*row[:4])
    since, heartbeat = row[4:]
    lives = owner.lives(here)
    if lives is None:
        lives = now - heartbeat < STALE
    if lives:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
        raise TryAgainLater(
            f"{issue_id!r} is being sent by process {owner.pid} on {owner.host} since {began}; "
            "wait for it, or stop it and run this again"
        )
