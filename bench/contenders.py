"""The senders that are compared: what each is given, how it is started, and what a run of it took."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sinks import ENV, HERE, WORK, Sink, build, need

NEWSLETTER = str(Path(sys.executable).parent / "newsletter")

NODEMAILER, MAILMERGE = "10.6.1", "2.3.0"
GO_MAIL, LETTRE = "0.8.1", "0.11.23"
"""The peers' newest versions (go-mail 0.8.2 wants Go 1.26.10). All run with Nagle's algorithm off (sinks/nodelay.c):
45 ms a message are no rate.
"""

CONFIG = """
[newsletter]
title = "Bench"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"
[unsubscribe]
url = "https://example.org"
"""
PARAGRAPH = (
    "There is a field where wheat has been sown every autumn for longer than anybody remembers, and each year somebody "
    "weighs the grain, dries a jar of it, writes the date on the label and puts the jar on a shelf beside the others. "
)


@dataclass(frozen=True)
class Run:
    """One run of one contender: messages, wall and CPU seconds, peak memory in MB."""

    messages: int
    seconds: float
    cpu: float
    memory: float

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


@dataclass(frozen=True)
class Contender:
    """A sender by its name, and how many messages it is given a run."""

    name: str
    messages: int

    def command(self, sink: Sink, connections: int) -> list[str]:
        """The whole command, as a user would run it."""
        host, port, count, lines = sink.host, str(sink.port), str(self.messages), str(connections)
        mail = [str(WORK / "peer.html"), str(WORK / "peer.txt"), host]
        match self.name:
            case "newsletter":
                url = f"smtp://{host}:{port}"
                return [NEWSLETTER, "send", "long", "--yes", "--json", "--smtp", url, "--connections", lines]
            case "smtp-source":
                size = str((WORK / "message.eml").stat().st_size)
                addresses = ["-f", "ada@example.org", "-t", "reader@example.net"]
                return ["smtp-source", "-d", "-s", lines, "-m", count, "-l", size, *addresses, f"{host}:{port}"]
            case "nodemailer pool":
                return ["node", str(HERE / "peers/nodemailer_pool.mjs"), port, lines, count, *mail]
            case "aiosmtplib pool":
                return [sys.executable, str(HERE / "peers/aiosmtplib_pool.py"), port, lines, count, *mail]
            case "smtplib threads":
                return [sys.executable, str(HERE / "peers/smtplib_threads.py"), port, lines, count, *mail]
            case "go-mail" | "lettre":
                return [str(WORK / self.name), port, lines, count, *mail]
            case "smtplib":
                return [sys.executable, str(HERE / "peers/smtplib_one.py"), port, count, *mail]
            case "mailmerge":
                return [str(WORK / "mailmerge/bin/mailmerge"), "--no-dry-run", "--no-limit"]
        raise AssertionError(self.name)

    def run(self, sink: Sink, connections: int) -> Run:
        """Run it once, in a fresh folder."""
        folder = WORK / "run"
        shutil.rmtree(folder, ignore_errors=True)
        if self.name == "newsletter":
            make_newsletter(folder, self.messages)
        elif self.name == "mailmerge":
            make_mailmerge(folder, self.messages, sink.port)
        else:
            folder.mkdir(parents=True)
        environment = ENV if self.name == "newsletter" else {**ENV, "LD_PRELOAD": str(WORK / "nodelay")}
        return timed([*sink.beside, *self.command(sink, connections)], folder, self.messages, environment)


def timed(command: list[str], folder: Path, messages: int, environment: dict[str, str] = ENV) -> Run:
    """Run a command to its end; its own CPU and memory, from the kernel's accounting.

    No peak of memory is below this program's own, which the kernel counts in: 40 MB before anything is measured in it.
    """
    log = WORK / "run.log"
    with log.open("wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{log.read_text()[-2000:]}")
    return Run(messages, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def make_newsletter(folder: Path, count: int) -> None:
    (folder / "posts").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(CONFIG)
    body = "Dear {{ subscriber.name }},\n\n" + "\n\n".join(f"## Part {n}\n\n{PARAGRAPH * 4}" for n in range(8))
    (folder / "posts/long.md").write_text(
        f"---\ntitle: A long letter\nsubtitle: About wheat\npersonalize: true\n---\n{body}\n"
    )
    with (folder / "subscribers.csv").open("w") as file:
        file.write("email,name,city\n")
        file.writelines(f"reader{n}@example.net,Reader {n},Lyon\n" for n in range(count))


def make_mailmerge(folder: Path, count: int, port: int) -> None:
    folder.mkdir(parents=True)
    html = (WORK / "peer.html").read_text().replace("READER", "{{name}}").replace("{%", "").replace("{#", "")
    (folder / "mailmerge_template.txt").write_text(
        "TO: {{email}}\nSUBJECT: A long letter\nFROM: Ada Moreau <ada@example.org>\n"
        f"Content-Type: text/html\n\n{html}"
    )
    (folder / "mailmerge_server.conf").write_text(f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\n")
    with (folder / "mailmerge_database.csv").open("w") as file:
        file.write("email,name\n")
        file.writelines(f"reader{n}@example.net,Reader {n}\n" for n in range(count))


def version(peer: str) -> str:
    """The version of a peer that is installed; empty where none is."""
    try:
        if peer == "nodemailer":
            return str(json.loads((WORK / "node/node_modules/nodemailer/package.json").read_text())["version"])
        found = next((WORK / "mailmerge").glob("lib/python*/site-packages/mailmerge-*.dist-info"))
    except (OSError, StopIteration):
        return ""
    return found.name.removesuffix(".dist-info").partition("-")[2]


def is_here(name: str) -> bool:
    """Could this peer be built on this machine?"""
    return name not in ("lettre", "go-mail") or (WORK / name).exists()


def prepare() -> None:
    """Install the peers, and write the one message that all contenders send."""
    need({"node": "nodejs", "npm": "npm"})
    WORK.mkdir(parents=True, exist_ok=True)
    node, merge = WORK / "node", WORK / "mailmerge"
    node.mkdir(exist_ok=True)
    if version("nodemailer") != NODEMAILER:
        quiet = ["--silent", "--no-fund", "--no-audit"]
        subprocess.run(["npm", "install", *quiet, "--save-exact", f"nodemailer@{NODEMAILER}"], cwd=node, check=True)
    if version("mailmerge") != MAILMERGE:
        subprocess.run([sys.executable, "-m", "venv", merge], check=True)
        subprocess.run([merge / "bin/pip", "install", "--quiet", f"mailmerge=={MAILMERGE}"], check=True)
    build("nodelay", "-shared", "-fPIC", "-ldl")
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", WORK / "go-mail", "."], cwd=HERE / "peers/gomail", check=True)
    if shutil.which("cargo"):
        source = ["--manifest-path", HERE / "peers/lettre/Cargo.toml", "--target-dir", WORK / "cargo", "--locked"]
        subprocess.run(["cargo", "build", "--release", "--quiet", *source], check=True)
        shutil.copy(WORK / "cargo/release/peer", WORK / "lettre")
    print(f"nodemailer {version('nodemailer')}, mailmerge {version('mailmerge')}", file=sys.stderr)
    folder = WORK / "message"
    shutil.rmtree(folder, ignore_errors=True)
    make_newsletter(folder, 1)
    for form, name in (("eml", "message.eml"), ("html", "peer.html"), ("text", "peer.txt")):
        out = subprocess.run(
            [NEWSLETTER, "render", "long", "--format", form], cwd=folder, check=True, capture_output=True
        )
        data = out.stdout if form == "eml" else out.stdout.replace(b"Reader 0", b"READER")
        (WORK / name).write_bytes(data)
