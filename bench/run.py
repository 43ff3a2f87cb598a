"""Measure the whole command as users run it, against its peers and the limit, in turn, and write RESULTS.md.

`make bench` runs everything (about half an hour); `python bench/run.py --quick` three rounds of the main comparison.
Peers and sinks are installed and built under build/bench; all traffic stays on loopback. A figure is the median of the
rounds; a ratio is taken round by round, so that a machine whose speed drifts does not bend it.
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
WORK = ROOT / "build" / "bench"
NEWSLETTER = str(Path(sys.executable).parent / "newsletter")
ENV = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", "NODE_HOME": str(WORK / "node")}

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
    """A sender: its name, its command for a port and a number of connections, and how many messages it is given."""

    name: str
    messages: int

    def command(self, port: int, connections: int) -> list[str]:
        html, text = str(WORK / "peer.html"), str(WORK / "peer.txt")
        n, p, c = str(self.messages), str(port), str(connections)
        match self.name:
            case "newsletter":
                return [
                    NEWSLETTER,
                    "send",
                    "long",
                    "--yes",
                    "--json",
                    "--smtp",
                    f"smtp://127.0.0.1:{p}",
                    "--connections",
                    c,
                ]
            case "smtp-source":
                size = str((WORK / "message.eml").stat().st_size)
                return [
                    "smtp-source",
                    "-s",
                    c,
                    "-m",
                    n,
                    "-l",
                    size,
                    "-f",
                    "ada@example.org",
                    "-t",
                    "reader@example.net",
                    f"127.0.0.1:{p}",
                ]
            case "nodemailer pool":
                return ["node", str(HERE / "peers/nodemailer_pool.mjs"), p, c, n, html, text]
            case "aiosmtplib pool":
                return [sys.executable, str(HERE / "peers/aiosmtplib_pool.py"), p, c, n, html, text]
            case "smtplib":
                return [sys.executable, str(HERE / "peers/smtplib_one.py"), p, n, html, text]
            case "mailmerge":
                return [str(WORK / "mailmerge/bin/mailmerge"), "--no-dry-run", "--no-limit"]
        raise AssertionError(self.name)

    def run(self, port: int, connections: int) -> Run:
        folder = WORK / "run"
        shutil.rmtree(folder, ignore_errors=True)
        if self.name == "newsletter":
            make_newsletter(folder, self.messages)
        elif self.name == "mailmerge":
            make_mailmerge(folder, self.messages, port)
        else:
            folder.mkdir(parents=True)
        return timed(self.command(port, connections), folder, self.messages)


def timed(command: list[str], folder: Path, messages: int) -> Run:
    """Run a command to its end; its own CPU and memory, from the kernel's accounting."""
    log = WORK / "run.log"
    with log.open("wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=ENV, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
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


def prepare() -> None:
    """Build the sinks, install the peers, and write the one message that all contenders send."""
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-O2", "-w", "-o", WORK / "fastsink", HERE / "sinks/fastsink.c"], check=True)
    if not (WORK / "node/node_modules/nodemailer").exists():
        (WORK / "node").mkdir(exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-fund", "--no-audit", "nodemailer@7"], cwd=WORK / "node", check=True
        )
    if not (WORK / "mailmerge").exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "mailmerge"], check=True)
        subprocess.run([WORK / "mailmerge/bin/pip", "install", "--quiet", "mailmerge"], check=True)
    folder = WORK / "message"
    shutil.rmtree(folder, ignore_errors=True)
    make_newsletter(folder, 1)
    for form, name in (("eml", "message.eml"), ("html", "peer.html"), ("text", "peer.txt")):
        out = subprocess.run(
            [NEWSLETTER, "render", "long", "--format", form], cwd=folder, check=True, capture_output=True
        )
        data = out.stdout if form == "eml" else out.stdout.replace(b"Reader 0", b"READER")
        (WORK / name).write_bytes(data)


@contextmanager
def sink(kind: str) -> Iterator[int]:
    """A sink on a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [WORK / "fastsink", str(port)] if kind == "fastsink" else ["smtp-sink", f"127.0.0.1:{port}", "1000"]
    if kind == "smtp-sink" and os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, env=ENV, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def compare(kind: str, connections: int, contenders: list[Contender], rounds: int) -> dict[str, list[Run]]:
    """Each contender once a round, in turn."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    with sink(kind) as port:
        for number in range(rounds):
            for contender in contenders:
                run = contender.run(port, connections)
                runs[contender.name].append(run)
                print(
                    f"{kind} {connections:>3} round {number + 1} {contender.name:<16} {run.rate:>9,.0f}/s",
                    file=sys.stderr,
                )
    return runs


def row(name: str, runs: list[Run], own: list[Run], limit: list[Run]) -> str:
    rate = statistics.median(run.rate for run in runs)
    ratio = statistics.median(mine.rate / run.rate for mine, run in zip(own, runs, strict=True))
    share = statistics.median(run.rate / top.rate for run, top in zip(runs, limit, strict=True))
    cpu = statistics.median(run.cpu / run.messages * 1000 for run in runs)
    return f"| {name} | {rate:,.0f} | {share:.2f} | {ratio:,.2f} | {cpu:.3f} | {max(r.memory for r in runs):.0f} |"


HEADER = (
    "| sender | messages/s | of smtp-source | newsletter is … times as fast | CPU s per 1,000 | peak MB |\n"
    "|---|---|---|---|---|---|"
)


def sizes(rounds: int) -> list[str]:
    """Time and memory from a thousand recipients to a million."""
    lines = ["| recipients | s | µs each | peak MB |", "|---|---|---|---|"]
    with sink("fastsink") as port:
        for count in (1_000, 10_000, 100_000, 1_000_000):
            runs = [Contender("newsletter", count).run(port, 10) for _ in range(rounds if count < 1_000_000 else 1)]
            seconds = statistics.median(run.seconds for run in runs)
            lines.append(
                f"| {count:,} | {seconds:.2f} | {seconds / count * 1e6:.1f} | {max(r.memory for r in runs):.0f} |"
            )
            print(lines[-1], file=sys.stderr)
    return lines


def versions() -> str:
    def out(*command: str) -> str:
        return subprocess.run(command, env=ENV, capture_output=True, text=True, check=False).stdout.strip()

    postfix = out("postconf", "-h", "mail_version")
    mailer = json.loads((WORK / "node/node_modules/nodemailer/package.json").read_text())["version"]
    names = "import aiosmtplib, uvloop; print(aiosmtplib.__version__, uvloop.__version__)"
    aio, uv = out(sys.executable, "-c", names).split()
    merge = [line for line in out(str(WORK / "mailmerge/bin/pip"), "list").splitlines() if line.startswith("mailmerge")]
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, aiosmtplib {aio}, uvloop {uv}, "
        f"Postfix {postfix}, Node {out('node', '--version')}, nodemailer {mailer}, {merge[0] if merge else ''}"
    )


def picture(rates: dict[str, float]) -> str:
    """The bars of the README, as SVG."""
    top = max(rates.values())
    lines = []
    for number, (name, rate) in enumerate(sorted(rates.items(), key=lambda pair: -pair[1])):
        y, width = 16 + number * 34, max(2.0, rate / top * 380)
        colour = "#1f6659" if name == "newsletter" else "#9aa5a1"
        lines.append(
            f'<text x="130" y="{y + 16}" text-anchor="end">{name}</text>'
            f'<rect x="140" y="{y}" width="{width:.1f}" height="22" rx="3" fill="{colour}"/>'
            f'<text x="{148 + width:.1f}" y="{y + 16}">{rate:,.0f}</text>'
        )
    height = 24 + len(rates) * 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 {height}" '
        'font-family="sans-serif" font-size="13" fill="#444">'
        f'<rect width="600" height="{height}" fill="#fff"/>{"".join(lines)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="three rounds of the main comparison, nothing written")
    options = parser.parse_args()
    prepare()
    fast = [Contender("smtp-source", 60_000), Contender("newsletter", 60_000)]
    slow = [
        Contender("nodemailer pool", 2_000), Contender("aiosmtplib pool", 1_000),
        Contender("smtplib", 1_000), Contender("mailmerge", 300),
    ]  # fmt: skip
    if options.quick:
        runs = compare("fastsink", 10, fast, 3)
        print(
            "\n".join(
                [HEADER, *(row(name, own, runs["newsletter"], runs["smtp-source"]) for name, own in runs.items())]
            )
        )
        return
    size = (WORK / "message.eml").stat().st_size
    text = [
        "# Results\n",
        f"Written by `make bench` on {time.strftime('%Y-%m-%d')}: {versions()}. "
        f"A personalised message of {size:,} bytes; whole commands, start-up and durable ledger included, DKIM off; "
        f"medians of {options.rounds} rounds, contenders in turn.\n",
    ]
    rates: dict[str, float] = {}
    for kind in ("fastsink", "smtp-sink"):
        for connections in (1, 10, 50):
            runs = compare(kind, connections, fast + slow if connections == 10 else [*fast, slow[0]], options.rounds)
            text += [f"## {kind}, {connections} connections\n", HEADER]
            text += [row(name, own, runs["newsletter"], runs["smtp-source"]) for name, own in runs.items()] + [""]
            if (kind, connections) == ("fastsink", 10):
                rates = {name: statistics.median(run.rate for run in own) for name, own in runs.items()}
    text += ["## Size of the list (fastsink, 10 connections)\n", *sizes(3), ""]
    (HERE / "RESULTS.md").write_text("\n".join(text))
    (ROOT / "docs/images/bench.svg").write_text(picture(rates))


if __name__ == "__main__":
    main()
