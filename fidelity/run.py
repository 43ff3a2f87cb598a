"""Compare what we make of Markdown with what the real generators make of it: `make fidelity`.

Writes fidelity/RESULTS.md, and the generators' answers to our own inputs, which tests/fidelity holds us to.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from fidelity import inputs
from fidelity.compare import Dialect, Judge, Verdict
from fidelity.oracles import CmarkOracle, HugoOracle, KramdownOracle

HERE = Path(__file__).parent
ANSWERS = HERE / "answers"
ORACLES: dict[Dialect, Callable[[], KramdownOracle | HugoOracle | CmarkOracle]] = {
    "jekyll": KramdownOracle,
    "hugo": HugoOracle,
    "plain": CmarkOracle,
}
BATCH = 200
MOST_SHOWN = 12


def main() -> None:
    """Run the judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=300, help="texts made at random, for each dialect")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", type=float, default=0, help="seconds for each dialect of texts from seeds of today")
    parser.add_argument("--dialect", choices=sorted(ORACLES), action="append")
    parser.add_argument(
        "--newer-hugo", type=Path, help="a second Hugo, whose goldmark is newer; skipped where it isn't"
    )
    chosen = parser.parse_args()
    own, made = inputs.own(), inputs.random(chosen.random, chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        standards = inputs.standards(Path(folder))
    report = ["# What we make of Markdown, beside the generators", "", _ABOUT, "",
              "| dialect | inputs | same | better on purpose | different |", "|---|---|---|---|---|"]  # fmt: skip
    found: list[str] = []
    given = [("our own", list(own.values())), ("standards", standards), (f"random, seed {chosen.seed}", made)]
    courts = [_Court(dialect) for dialect in chosen.dialect or sorted(ORACLES)]
    if chosen.newer_hugo and chosen.newer_hugo.exists():
        courts.append(_Court("hugo", HugoOracle(str(chosen.newer_hugo.resolve()))))
    for court in courts:
        for name, sources in chain(given, court.fresh(chosen.fresh) if court.first else ()):
            verdicts = court.judge(sources)
            counts = Counter(verdict.kind for verdict in verdicts)
            figures = (str(counts[kind]) for kind in ("same", "better", "different"))
            row = f"| {' | '.join([f'{court.name}, {name}', str(len(sources)), *figures])} |"
            report.append(row)
            print(row, flush=True)
            different = [
                source for source, verdict in zip(sources, verdicts, strict=True) if verdict.kind == "different"
            ]
            found += court.smallest(different, f"{court.name}, {name}")
        if court.first:
            court.keep_answers(own)
        court.oracle.close()
    text = "\n".join([*report, "", "## Different, as small as it gets", "", *found])
    (HERE / "RESULTS.md").write_text(text.rstrip() + "\n", encoding="utf-8")


_ABOUT = """Written by `make fidelity`. Compared by structure: words, headings, lists, tables, code, links, pictures,
notes, emphasis. Real: kramdown with its GFM parser as Jekyll sets it up, Hugo's goldmark, cmark-gfm, of Debian; a
newer Hugo besides, by its number. What is better on purpose, and why, is in docs/reference/markdown.md."""


class _Court:
    """A dialect's judge with its oracle, or with a second one of a newer version."""

    def __init__(self, dialect: Dialect, newer: HugoOracle | None = None) -> None:
        self.dialect, self.judge_, self.first = dialect, Judge(dialect), newer is None
        self.oracle = newer or ORACLES[dialect]()
        self.name = newer.version if newer else str(dialect)

    def real(self, sources: Sequence[str]) -> list[list[str]]:
        """The generator's structures."""
        found: list[list[str]] = []
        for start in range(0, len(sources), BATCH):
            found += [self.judge_.structure(html) for html in self.oracle(sources[start : start + BATCH])]
        return found

    def judge(self, sources: Sequence[str]) -> list[Verdict]:
        """A verdict a source."""
        return [self.judge_.verdict(source, real) for source, real in zip(sources, self.real(sources), strict=True)]

    @staticmethod
    def fresh(seconds: float) -> Iterator[tuple[str, list[str]]]:
        """Texts from seeds that were not tried before, until the time is over."""
        until, seed = time.monotonic() + seconds, int(time.time())
        while time.monotonic() < until:
            yield f"random, seed {seed}", inputs.random(BATCH, seed)
            seed += 1

    def smallest(self, sources: Sequence[str], name: str) -> list[str]:
        """The first differences, each made as small as it gets, for the report."""
        shown: dict[str, Verdict] = {}
        for source in sources[: MOST_SHOWN * 2]:
            small = self._shrunk(source)
            shown.setdefault(small, self.judge([small])[0])
            if len(shown) >= MOST_SHOWN:
                break
        return [
            f"- {name}: `{json.dumps(small, ensure_ascii=False)}`\n"
            f"  - ours: `{' '.join(verdict.ours)}`\n  - real: `{' '.join(verdict.real)}`"
            for small, verdict in shown.items()
        ]

    def _shrunk(self, source: str) -> str:
        """`source` with as many lines, then words, taken out as leave a difference without a reason."""
        for separator in ("\n", " ") if self.dialect != "hugo" else ("\n",):
            parts = source.split(separator)
            size = max(len(parts) // 2, 1)
            while True:
                at = 0
                while at < len(parts):
                    fewer = parts[:at] + parts[at + size :]
                    if fewer and self.judge([separator.join(fewer)])[0].kind == "different":
                        parts = fewer
                    else:
                        at += size
                if size == 1:
                    break
                size //= 2
            source = separator.join(parts)
        return source

    def keep_answers(self, own: dict[str, str]) -> None:
        """Write the generator's structures of our own inputs."""
        answers = dict(zip(own, self.real(list(own.values())), strict=True))
        ANSWERS.mkdir(exist_ok=True)
        text = json.dumps(answers, ensure_ascii=False, indent=0, sort_keys=True)
        (ANSWERS / f"{self.dialect}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
