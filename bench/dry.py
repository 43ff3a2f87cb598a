"""A dry run beside a live send into a sink that keeps nothing, in turn: `python bench/dry.py 20000 5`.

Whole commands, start-up, list and plan included; the first of each is left out of the medians. The processor's time is
the sender's, that of composing and, in a dry run, the test inbox's.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from contenders import NEWSLETTER, Run, make_newsletter, timed
from sinks import sink


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", type=int)
    parser.add_argument("rounds", type=int)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {"live": [], "dry": []}
    with tempfile.TemporaryDirectory() as name, sink("fastsink") as where:
        folder = Path(name)
        make_newsletter(folder, options.messages)
        ways = {
            "live": ["--yes", "--smtp", f"smtp://{where.host}:{where.port}", "--connections", "10"],
            "dry": ["--dry-run"],
        }
        for number in range(options.rounds + 1):
            for way, asked in ways.items():
                for state in folder.glob("newsletter.db*"):
                    state.unlink()
                shutil.rmtree(folder / ".newsletter" / "inbox", ignore_errors=True)
                run = timed([NEWSLETTER, "send", "long", *asked], folder, options.messages)
                runs[way] += [run] if number else []
                print(f"{way} {run.seconds:.2f} s, {run.cpu:.2f} s of a processor", flush=True)
    live, dry = (statistics.median(run.seconds for run in runs[way]) for way in ("live", "dry"))
    print(f"medians: live {live:.2f} s, dry {dry:.2f} s: {dry / live:.2f} times")


if __name__ == "__main__":
    main()
