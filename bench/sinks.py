"""Where the mail goes: sinks on loopback that take everything, and one behind a delay line.

Debian's packages that are missing are installed, as root; a 20 ms round trip needs root and network namespaces.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / "build" / "bench"
ENV = {
    **os.environ,
    "CI": "",
    "PYTHONDONTWRITEBYTECODE": "",
    "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
    "NODE_HOME": str(WORK / "node"),
}

NEAR, FAR = "newsletter-near", "newsletter-far"
NEAR_IP, FAR_IP = "127.1.0.1", "127.1.0.2"  # loopback's numbers: nothing can leave by mistake


@dataclass(frozen=True)
class Sink:
    """A server that takes everything; commands that send to it are run behind `beside`."""

    host: str
    port: int
    beside: tuple[str, ...] = ()


def need(programs: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing, or say which they are."""
    missing = [package for program, package in programs.items() if not shutil.which(program, path=ENV["PATH"])]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(f"missing: {' '.join(missing)}; install them and run this again")
    quiet = {**ENV, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=quiet, check=True)


def build(name: str, *options: str) -> str:
    """Compile a C program of this folder; its path."""
    need({"cc": "gcc"})
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-O2", "-w", *options, "-o", WORK / name, HERE / f"sinks/{name}.c"], check=True)
    return str(WORK / name)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sink(kind: str, log: Path | None = None) -> Iterator[Sink]:
    """`fastsink` or Postfix's `smtp-sink` on a free port of loopback; `log`, of fastsink, names who was sent to."""
    port = free_port()
    if kind == "fastsink":
        command = [build("fastsink"), str(port), *(["127.0.0.1", str(log)] if log else [])]
    else:
        command = ["smtp-sink", *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "1000"]
    with _running(command):
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Sink("127.0.0.1", port)


@contextmanager
def far_sink(round_trip: float, ports: tuple[int, ...] = (2525,)) -> Iterator[Sink]:
    """`fastsink` in a network namespace of its own, `round_trip` seconds away; the first, where there are several."""
    need({"ip": "iproute2", "sysctl": "procps"})
    with ExitStack() as stack:
        for name in (NEAR, FAR):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        line = [build("delayline"), NEAR, FAR, str(round(round_trip * 1e6 / 2))]
        stack.enter_context(_running(line))
        for name, own, peer in ((NEAR, NEAR_IP, FAR_IP), (FAR, FAR_IP, NEAR_IP)):
            for _ in range(100):
                if not _ip("-n", name, "link", "show", "dly0", check=False).returncode:
                    break
                time.sleep(0.05)
            _ip("netns", "exec", name, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
            _ip("-n", name, "addr", "add", own, "peer", peer, "dev", "dly0")
            _ip("-n", name, "link", "set", "dly0", "up")
        program = build("fastsink")
        for port in ports:
            stack.enter_context(_running(["ip", "netns", "exec", FAR, program, str(port), FAR_IP]))
        time.sleep(0.5)
        yield Sink(FAR_IP, ports[0], ("ip", "netns", "exec", NEAR))


def has_namespaces() -> bool:
    """Whether this machine lets us have a delay line."""
    return os.geteuid() == 0 and Path("/dev/net/tun").exists()


def _ip(*words: str, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["ip", *words], env=ENV, capture_output=True, check=check)


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=ENV, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
