"""Compare pages before and after inlining, in Chromium: the second half of `make fidelity`.

Every element's computed style, on a desk, a phone, in the dark, in print, under the pointer; over the table of cascades
that tests/css holds us to, and over sheets made at random. Writes fidelity/STYLES.md.
"""

import argparse
from pathlib import Path

from newsletter.compose.html.inline_css import inline_css
from tests.css.browser import browser_page, differences, views_of, whole
from tests.css.cascades import BODY, CASCADES
from tests.css.random_sheets import random_sheet

_ABOUT = """Written by `make fidelity`. A page in Chromium before and after inlining: the computed style of every
element and of its `::before`, `::after`, `::first-line` and `::marker`, on a desk, and where the sheet asks for it on a
phone, in the dark, in print and under the pointer."""
MOST_SHOWN = 12


def main() -> None:
    """Run the judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=300, help="sheets made at random")
    parser.add_argument("--seed", type=int, default=1_000, help="of the first of them; the suite holds 0 to 15")
    chosen = parser.parse_args()
    cases = {name: (case, BODY) if isinstance(case, str) else case for name, case in CASCADES.items()}
    made = {f"seed {seed}": (random_sheet(seed), BODY) for seed in range(chosen.seed, chosen.seed + chosen.random)}
    lines = [
        "# Style sheets before and after inlining",
        "",
        _ABOUT,
        "",
        "| sheets | same | different |",
        "|---|---|---|",
    ]
    shown: list[str] = []
    with browser_page() as page:
        for name, sheets in (("our own", cases), ("random", made)):
            found = {}
            for case, (css, body) in sheets.items():
                if told := differences(page, whole(css, body), inline_css, views_of(css, body)):
                    found[case] = (css, told[0])
            lines.append(f"| {name}: {len(sheets)} | {len(sheets) - len(found)} | {len(found)} |")
            print(lines[-1], flush=True)
            for case, (css, told_first) in list(found.items())[:MOST_SHOWN]:
                shown += [f"- {name}, {case}: {told_first}", "", *(f"      {line}" for line in css.splitlines()), ""]
    text = "\n".join([*lines, "", "## Different", "", *(shown or ["None."])])
    Path(__file__).with_name("STYLES.md").write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
