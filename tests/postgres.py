"""A PostgreSQL of the tests' own: Debian's programs, an ordinary user, a temporary folder, nothing written for good."""

import contextlib
import glob
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "80",
    "lc_messages": "C",
    "log_min_messages": "fatal",
}


def programs() -> Path | None:
    """Where initdb and postgres are; None where PostgreSQL is not installed."""
    found = [Path(path) for path in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    found += [Path(path).parent for path in (shutil.which("initdb"),) if path]
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class PostgresServer:
    """One server, from `running` on; it can be stopped and started again."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.folder = folder
        self._bin = bin_
        self._data = folder / "data"
        self._user = _other_user() if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                  "--no-sync", "--no-instructions")  # fmt: skip
        locked = "host all locked 127.0.0.1/32 scram-sha-256\n"
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"{locked}local all all trust\nhost all all 127.0.0.1/32 trust\n")

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self._bin / program, *arguments], check=True, capture_output=True, cwd="/", **self._as_user())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self.folder), "-p", str(self.port),
                   "-c", "listen_addresses=127.0.0.1", *settings]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_user())
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all connections in good order, SIGQUIT at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still while the block runs: connections are taken and kept, and nothing is answered."""
        assert self._process is not None
        backends = self.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        for pid in (pids := [self._process.pid, *(row[0] for row in backends)]):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def url(self, name: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, name: str = "postgres") -> list[Any]:
        """Run one statement in the database `name`."""
        with psycopg.connect(self.url(name), autocommit=True) as db:
            cursor = db.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def database(self, template: str = "template0") -> str:
        """The address of a new database, a copy of another one."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def ready(self) -> str:
        """The address of a new database with our tables in it."""
        from newsletter.state.postgres import PostgresDatabase

        if not self.execute("SELECT 1 FROM pg_database WHERE datname = 'made'"):
            self.execute("CREATE DATABASE made TEMPLATE template0")
            PostgresDatabase(self.url("made")).engine().dispose()
        return self.database("made")


def _other_user() -> pwd.struct_passwd:
    """Whom root becomes: the server does not run as root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("no ordinary user")


@contextlib.contextmanager
def running(bin_: Path) -> Iterator[PostgresServer]:
    """A server in a folder of its own, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postgres-"))
    server = PostgresServer(folder, bin_)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
