"""Measure the whole command as users run it, against its peers and the limit, in turn, and write RESULTS.md.

`make bench` runs everything (about half an hour); `python bench/run.py --quick` three rounds of the main comparison.
Peers and sinks are installed and built under build/bench; all traffic stays on loopback. A figure is the median of the
rounds; a ratio is taken round by round, so that a machine whose speed drifts does not bend it.
"""

import argparse
import statistics
import sys
import time

from contenders import Contender, Run, prepare
from report import picture, table, versions
from signing import measure
from sinks import HERE, WORK, Sink, far_sink, has_namespaces, need, sink

FAST, FAST_ALONE = 60_000, 10_000
"""Messages for smtp-source and newsletter; and over one connection, where each waits for its reply."""
NODEMAILER, NODEMAILER_ALONE = 2_000, 200
OTHERS = [Contender("aiosmtplib pool", 1_000), Contender("smtplib", 1_000), Contender("mailmerge", 300)]
FAR_MESSAGES = {10: (1_000, 3_000, 1_000), 50: (4_000, 15_000, 3_000), 200: (10_000, 30_000, 3_000)}
"""Connections: messages for smtp-source, newsletter and nodemailer at 20 ms."""


def fast(messages: int) -> list[Contender]:
    """The limit, and ourselves."""
    return [Contender("smtp-source", messages), Contender("newsletter", messages)]


def compare(what: str, where: Sink, connections: int, contenders: list[Contender], rounds: int) -> dict[str, list[Run]]:
    """Each contender once a round, in turn."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            run = contender.run(where, connections)
            runs[contender.name].append(run)
            told = f"{what} {connections:>3} round {number + 1} {contender.name:<16} {run.rate:>9,.0f}/s"
            print(told, file=sys.stderr)
    return runs


def sizes(rounds: int) -> list[str]:
    """Time and memory from a thousand recipients to a million."""
    lines = ["| recipients | s | µs each | peak MB |", "|---|---|---|---|"]
    with sink("fastsink") as where:
        for count in (1_000, 10_000, 100_000, 1_000_000):
            runs = [Contender("newsletter", count).run(where, 10) for _ in range(rounds if count < 1_000_000 else 1)]
            seconds, memory = statistics.median(run.seconds for run in runs), max(run.memory for run in runs)
            lines.append(f"| {count:,} | {seconds:.2f} | {seconds / count * 1e6:.1f} | {memory:.0f} |")
            print(lines[-1], file=sys.stderr)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="three rounds of the main comparison, nothing written")
    options = parser.parse_args()
    need({"smtp-source": "postfix"})
    prepare()
    if options.quick:
        with sink("fastsink") as where:
            print(table(compare("fastsink", where, 10, fast(FAST), 3)))
        return
    size = (WORK / "message.eml").stat().st_size
    text = [
        "# Results\n",
        f"Written by `make bench` on {time.strftime('%Y-%m-%d')}: {versions()}. "
        f"A personalised message of {size:,} bytes; whole commands, start-up and durable ledger included, DKIM off; "
        f"medians of {options.rounds} rounds, contenders in turn.\n",
    ]
    for kind in ("fastsink", "smtp-sink"):
        for connections in (1, 10, 50):
            contenders = fast(FAST_ALONE if connections == 1 else FAST)
            contenders.append(Contender("nodemailer pool", NODEMAILER_ALONE if connections == 1 else NODEMAILER))
            contenders += OTHERS if connections == 10 else []
            with sink(kind) as where:
                runs = compare(kind, where, connections, contenders, options.rounds)
            text += [f"## {kind}, {connections} connection{'s' * (connections > 1)}\n", table(runs), ""]
            if (kind, connections) == ("fastsink", 10):
                rates = {name: statistics.median(run.rate for run in each) for name, each in runs.items()}
                (HERE.parent / "docs/images/bench.svg").write_text(picture(rates))
    if has_namespaces():
        for connections, counts in FAR_MESSAGES.items():
            names = ("smtp-source", "newsletter", "nodemailer pool")
            contenders = [Contender(name, count) for name, count in zip(names, counts, strict=True)]
            with far_sink(0.020) as where:
                runs = compare("20 ms", where, connections, contenders, options.rounds)
            text += [f"## fastsink at 20 ms round trip, {connections} connections\n", table(runs), ""]
    else:
        text += ["At 20 ms round trip: not measured, which needs root and network namespaces.\n"]
    text += ["## DKIM, on and off\n", *measure(), ""]
    text += ["## Size of the list (fastsink, 10 connections)\n", *sizes(3), ""]
    (HERE / "RESULTS.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
