"""Measure workers on PostgreSQL: 1, 2 and 4 against relays 20 ms away, planning, the server's work, a shared rate.

`python bench/workers.py` writes its part of RESULTS.md. The server is PostgreSQL of Debian's package with the settings
it comes with, fsync on; a relay far away needs root and network namespaces.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from contenders import NEWSLETTER, make_newsletter, timed
from sinks import ENV, HERE, WORK, Sink, build, far_sink, has_namespaces, need, sink

BEGIN, END = "<!-- workers -->", "<!-- end of workers -->"
PORTS = (2525, 2526, 2527, 2528)
FAR_MESSAGES, NEAR_MESSAGES, PLANNED = 12_000, 40_000, 1_000_000
HEAD = (
    "| workers, each with 10 connections to a relay 20 ms away | messages/s | to one | the server, µs each | peak MB |"
)
RATE, MINUTE = 200, 60.0


@dataclass
class Server:
    """A PostgreSQL of our own; its databases are reached by its socket, from every network namespace."""

    folder: Path
    postmaster: int
    made: int = 0

    def database(self) -> str:
        self.made += 1
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE bench_{self.made}".encode())
        return self.url(f"bench_{self.made}")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def cpu(self) -> float:
        """Seconds of processor time of the whole server, those of connections that are gone included."""
        seconds = 0.0
        for place in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                pid, fields = int(place.split("/")[2]), Path(place).read_text().rpartition(")")[2].split()
                if pid == self.postmaster:
                    seconds += sum(map(int, fields[11:15]))
                elif int(fields[1]) == self.postmaster:
                    seconds += sum(map(int, fields[11:13]))
        return seconds / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """A server as it comes, while the block runs."""
    bin_ = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
    folder = Path(tempfile.mkdtemp(prefix="newsletter-bench-"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    become = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **become}
    subprocess.run([bin_ / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"], check=True, **quiet)
    command = [bin_ / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
    process = subprocess.Popen(command, **quiet)
    try:
        server = Server(folder, process.pid)
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(server.url("postgres")).close()
                break
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def queued(server: Server, count: int) -> tuple[str, Path, float, float]:
    """An issue of so many recipients in the queue: the state, the folder; seconds and MB that it took."""
    state, folder = server.database(), WORK / "run"
    shutil.rmtree(folder, ignore_errors=True)
    make_newsletter(folder, count)
    with (folder / "newsletter.toml").open("a") as file:
        file.write(f'[state]\nurl = "{state}"\n')
    run = timed(
        [NEWSLETTER, "send", "long", "--yes", "--json", "--detach", "--smtp", "smtp://127.0.0.1:1"], folder, count
    )
    return state, folder, run.seconds, run.memory


def start(folder: Path, where: Sink, port: int, *options: str) -> "subprocess.Popen[bytes]":
    command = [*where.beside, NEWSLETTER, "worker", "--smtp", f"smtp://{where.host}:{port}", *options]
    with (WORK / "workers.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=ENV, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def stop(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> float:
    """End a worker; its peak memory in MB."""
    process.send_signal(how)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024


def deliver(server: Server, where: Sink, ports: tuple[int, ...], count: int) -> tuple[float, float, float]:
    """Messages a second from the first to the last, the server's µs for each, and the largest worker's peak MB."""
    state, folder, *_ = queued(server, count)
    before = server.cpu()
    workers = [start(folder, where, port, "--connections", "10") for port in ports]
    with psycopg.connect(state, autocommit=True) as db:
        while db.execute("SELECT 1 FROM issues WHERE queued IS NOT NULL").fetchone():
            time.sleep(1.0)
        first, last = db.execute("SELECT min(first_attempt), max(updated) FROM deliveries").fetchone() or (0, 0)
    spent = server.cpu() - before
    memory = max(stop(worker) for worker in workers)
    return count / (last - first), spent / count * 1e6, memory


def shared_rate(server: Server) -> str:
    """Four workers at one relay with one rate; one is killed, one leaves, two join; as the relay's log counts it."""
    log = WORK / "rate.log"
    _, folder, *_ = queued(server, int(RATE * (MINUTE + 40)))
    with sink("fastsink", log) as where:
        limits = ("--rate", f"{RATE}/s")
        workers = [start(folder, where, where.port, *limits) for _ in range(4)]
        while log.stat().st_size < 100_000:
            time.sleep(0.1)
        time.sleep(5.0)
        counted, began = _lines(log), time.monotonic()
        for moment, step in ((10, "kill"), (20, "join"), (35, "leave"), (45, "join")):
            time.sleep(began + moment - time.monotonic())
            if step == "join":
                workers.append(start(folder, where, where.port, *limits))
            else:
                stop(workers.pop(0), signal.SIGKILL if step == "kill" else signal.SIGTERM)
        time.sleep(began + MINUTE - time.monotonic())
        found, seconds = _lines(log) - counted, time.monotonic() - began
        for worker in workers:
            stop(worker)
    rate = found / seconds
    return (
        f'Four workers with `rate = "{RATE}/s"` at one relay, one killed, one stopped, two joining meanwhile: '
        f"{found:,} messages in {seconds:.1f} s by the relay's log, {rate / RATE:.3f} of the rate."
    )


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n")


def main() -> None:
    need({"smtp-source": "postfix"})
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "workers.log").write_bytes(b"")
    loads = [os.getloadavg()[0]]
    text: list[str] = []
    with postgres() as server:
        if has_namespaces():
            text += [HEAD, "|---|---|---|---|---|"]
            with far_sink(0.020, PORTS) as where:
                one = 0.0
                for count in (1, 2, 4):
                    rate, work, memory = deliver(server, where, PORTS[:count], FAR_MESSAGES)
                    one = one or rate
                    text.append(f"| {count} | {rate:,.0f} | {rate / one:.2f} | {work:.0f} | {memory:.0f} |")
                    print(text[-1])
        build("fastsink")
        with sink("fastsink") as where:
            rate, work, memory = deliver(server, where, (where.port,), NEAR_MESSAGES)
        near = f"{rate:,.0f} messages/s, {work:.0f} µs of the server's processor time for each, {memory:.0f} MB at most"
        text += ["", f"One worker, a sink on loopback: {near}.", ""]
        print(text[-2])
        text += [shared_rate(server), ""]
        print(text[-2])
        loads.append(os.getloadavg()[0])
        _, _, seconds, memory = queued(server, PLANNED)
        planned = f"{PLANNED:,} deliveries planned and queued (`send --detach`, a CSV list)"
        text += [f"{planned}: {seconds:.1f} s, {memory:.0f} MB.", ""]
        print(text[-2])
    loads.append(os.getloadavg()[0])
    told = ", ".join(f"{load:.1f}" for load in loads)
    results = HERE / "RESULTS.md"
    before, _, rest = results.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    head = (
        f"{BEGIN}\n## Workers, on PostgreSQL\n\nBy `bench/workers.py` on {time.strftime('%Y-%m-%d')}: one machine of "
        f"{os.cpu_count()} cores has workers, server and relays; load average meanwhile {told}.\n"
    )
    results.write_text("\n".join([f"{before.rstrip()}\n\n{head}", *text]).rstrip() + f"\n{END}\n{after.lstrip()}")


if __name__ == "__main__":
    main()
