"""Kill a sender once, without a warning, in the middle of ten thousand; start it again; count who got it how often.

A library has no ledger: the script that uses it begins again at the first. That is shown for one of them.

python bench/crash.py [ROUNDS]
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import listmonk
from contenders import Contender, is_here, make_newsletter, prepare
from sinks import ENV, WORK, Sink, sink

MESSAGES = 10_000


def crashes(rounds: int) -> list[str]:
    """A table: each sender's people who got it twice, who never did, and who are named as unknown; medians."""
    lines = ["| sender, killed once in 10,000 | twice | never | named as unknown |", "|---|---|---|---|"]
    for name in ("newsletter", "listmonk", "go-mail"):
        if not (listmonk.is_built() if name == "listmonk" else is_here(name)):
            continue
        if name == "listmonk":
            found = [(*listmonk.crash(MESSAGES, number), 0) for number in range(rounds)]
        else:
            found = [_crash(Contender(name, MESSAGES), number) for number in range(rounds)]
        twice, never, unknown = (
            f"{statistics.median(values):,.0f} ({min(values):,} to {max(values):,})"
            for values in zip(*found, strict=True)
        )
        lines.append(f"| {name} | {twice} | {never} | {unknown if name == 'newsletter' else 'nobody'} |")
        print(lines[-1], file=sys.stderr)
    return lines


def _crash(contender: Contender, seed: int) -> tuple[int, int, int]:
    """How many got it twice, how many not and are not named, and how many are named as unknown."""
    folder, log = WORK / "run", WORK / "crash.log"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if contender.name == "newsletter":
        make_newsletter(folder, MESSAGES)
    with sink("fastsink", log) as where:
        _kill(contender, where, folder, log, random.Random(seed).randrange(MESSAGES // 5, MESSAGES * 4 // 5))
        done = subprocess.run(
            contender.command(where, 10), cwd=folder, env=ENV, capture_output=True, stdin=subprocess.DEVNULL
        )
    got = Counter(line.partition("<")[2].partition(">")[0] for line in log.read_text().splitlines())
    unknown: set[str] = set()
    if contender.name == "newsletter":
        assert json.loads(done.stdout)["pending"] == 0
        asked = [contender.command(where, 10)[0], "deliveries", "long", "--state", "unknown", "--format", "json"]
        listed = subprocess.run(asked, cwd=folder, env=ENV, capture_output=True, check=True)
        unknown = {one["email"] for one in json.loads(listed.stdout)}
    everybody = {f"reader{number}@example.net" for number in range(MESSAGES)}
    return sum(count > 1 for count in got.values()), len(everybody - got.keys() - unknown), len(unknown)


def _kill(contender: Contender, where: Sink, folder: Path, log: Path, after: int) -> None:
    """Kill it and all its processes once the sink has taken so many."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(contender.command(where, 10), cwd=folder, env=ENV, start_new_session=True, **quiet)
    line = len("RCPT TO:<reader1000@example.net>\r\n")
    while log.stat().st_size < after * line and process.poll() is None:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    prepare()
    print("\n".join(crashes(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
