"""Measure the whole command as users run it, against its peers and the limit, in turn, and write RESULTS.md.

`make bench` runs everything (about fifty minutes), `python bench/run.py --rounds 3` in half of that, and `--quick` is
three rounds of the main comparison. Each table is written as soon as it is measured, and so are the README's bars.
Peers and sinks are installed and built under build/bench; all traffic stays on loopback. A figure is the median of the
rounds; a ratio is taken round by round, so that a machine whose speed drifts does not bend it.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Iterable

import inbox
import listmonk
from contenders import Contender, Run, is_here, prepare
from crash import crashes
from report import picture, table, versions
from signing import measure
from sinks import HERE, WORK, Sink, far_sink, has_namespaces, need, sink

FAST, FAST_ALONE = 60_000, 10_000
"""Messages for smtp-source and newsletter; and over one connection, where each waits for its reply."""
STRONG = {"lettre": 20_000, "go-mail": 20_000, "smtplib threads": 10_000, "nodemailer pool": 4_000}
LISTMONK = Contender("listmonk", 20_000)
"""The peers that keep their connections, and how many messages each is given over ten of them."""
OTHERS = [Contender("aiosmtplib pool", 1_000), Contender("smtplib", 1_000), Contender("mailmerge", 300)]
FAR_MESSAGES = {
    10: {"smtp-source": 1_000, "newsletter": 3_000, "lettre": 1_000, "go-mail": 1_000, "nodemailer pool": 1_000},
    50: {"smtp-source": 4_000, "newsletter": 15_000, "lettre": 4_000, "go-mail": 4_000, "nodemailer pool": 3_000},
    200: {"smtp-source": 10_000, "newsletter": 30_000, "lettre": 10_000, "go-mail": 10_000, "nodemailer pool": 3_000},
}
"""Connections: messages for each at 20 ms."""


def fast(messages: int) -> list[Contender]:
    """The limit, and ourselves."""
    return [Contender("smtp-source", messages), Contender("newsletter", messages)]


def strong(part: int) -> list[Contender]:
    """The strong peers that are here, each with its messages or a part of them."""
    return [Contender(name, count // part) for name, count in STRONG.items() if is_here(name)]


def compare(what: str, where: Sink, connections: int, contenders: list[Contender], rounds: int) -> dict[str, list[Run]]:
    """Each contender once a round, in turn."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            own = contender is LISTMONK  # which has a sink of its own
            run = listmonk.rate(contender.messages) if own else contender.run(where, connections)
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
    text = _Results()
    text += [
        "# Results\n",
        "What was measured by itself at other times is in [NOTES.md](NOTES.md).\n",
        f"Written by `make bench` on {time.strftime('%Y-%m-%d')}: {versions()}. "
        f"A personalised message of {size:,} bytes; whole commands, start-up and durable ledger included, DKIM off; "
        f"medians of {options.rounds} rounds, contenders in turn.\n",
    ]
    for kind in ("fastsink", "smtp-sink"):
        for connections in (1, 10, 50):
            contenders = fast(FAST_ALONE if connections == 1 else FAST)
            contenders += strong(10 if connections == 1 else 1)
            contenders += OTHERS if connections == 10 else []
            contenders += [LISTMONK] if (kind, connections) == ("fastsink", 10) and listmonk.is_built() else []
            with sink(kind) as where:
                runs = compare(kind, where, connections, contenders, options.rounds)
            text += [f"## {kind}, {connections} connection{'s' * (connections > 1)}\n", table(runs), ""]
            if (kind, connections) == ("fastsink", 10):
                drawn = {"smtp-source", "newsletter", *STRONG, LISTMONK.name}
                rates = {name: statistics.median(one.rate for one in runs[name]) for name in runs if name in drawn}
                _draw(rates)
    if has_namespaces():
        for connections, counts in FAR_MESSAGES.items():
            contenders = [Contender(name, counts[name]) for name in counts if is_here(name)]
            with far_sink(0.020) as where:
                runs = compare("20 ms", where, connections, contenders, options.rounds)
            text += [f"## fastsink at 20 ms round trip, {connections} connections\n", table(runs), ""]
    else:
        text += ["At 20 ms round trip: not measured, which needs root and network namespaces.\n"]
    text += ["## Size of the list (fastsink, 10 connections)\n", *sizes(3), ""]
    text += ["## Killed in the middle\n", *crashes(min(5, options.rounds)), ""]
    text += ["## The test inbox\n", *inbox.measured(), ""]
    text += ["## DKIM, on and off\n", *measure(), ""]


class _Results(list[str]):
    """The lines of RESULTS.md, which is written with each table: what was measured is not lost when a peer fails."""

    def __iadd__(self, lines: Iterable[str]) -> "_Results":  # type: ignore[override, misc]
        self.extend(lines)
        (HERE / "RESULTS.md").write_text("\n".join(self))
        return self


def _draw(rates: dict[str, float]) -> None:
    """The README's bars, and their names in the text that stands for them."""
    (HERE.parent / "docs/images/bench.svg").write_text(picture(rates))
    names = ", ".join(sorted(rates, key=lambda name: -rates[name]))
    readme = HERE.parent / "README.md"
    said = re.sub(
        r"!\[Messages a second over 10 connections: [^]]*\]",
        f"![Messages a second over 10 connections: {names}]",
        readme.read_text(),
    )
    readme.write_text(said)


if __name__ == "__main__":
    main()
