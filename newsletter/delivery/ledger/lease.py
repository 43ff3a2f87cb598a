"""Whether the process that holds an issue still lives.

On the same machine and boot the process is looked up, so a dead owner is noticed at once and a stopped one is left in
peace; elsewhere the age of its heartbeat decides. Two hosts' clocks may differ by minutes, so a living owner may be
taken for dead: that is safe, because the lease's epoch fences whatever it writes from then on, and nobody sends on what
it knew more than SURE seconds ago.
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import TryAgainLater

HEARTBEAT = 5.0
STALE = 30.0
"""Seconds without a heartbeat after which an owner on another machine is taken for dead."""
SURE = 5.0
"""Seconds for which a sender may take the issue for its own, once the state has said so."""
GRACE = SURE + 1.5
"""Seconds that whoever takes an issue over lets pass first: the owner before, if it lives, has stopped by then."""
AHEAD = 600.0
"""Seconds that another machine's clock may be ahead of ours; a heartbeat further in the future is not believed."""


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


def is_alive(owner: Process, heartbeat: float, here: Process, now: float) -> bool:
    """Whether an owner lives, as far as can be told from `here` at `now`."""
    lives = owner.lives(here)
    return -AHEAD < now - heartbeat < STALE if lives is None else lives


def refuse_if_alive(issue_id: str, owner: Process, since: float, heartbeat: float, here: Process, now: float) -> None:
    """Raise TryAgainLater, which names the owner, if it lives."""
    if is_alive(owner, heartbeat, here, now):
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
        raise TryAgainLater(
            f"{issue_id!r} is being sent by process {owner.pid} on {owner.host} since {began}; "
            "wait for it, or stop it and run this again"
        )
