"""Say how much of the code the tests run, and name the files of which they run less than most.

Reads what `coverage run` left in this folder; one process a file.
"""

import json
import subprocess
import sys
from pathlib import Path

LEAST = 80
"""Per cent of a file's lines, below which it is named."""


def coverage(*words: str) -> None:  # what a killed process left half is passed over
    subprocess.run([sys.executable, "-W", "ignore", "-m", "coverage", *words], check=True)


coverage("combine", "--quiet")
coverage("json", "--quiet", "-o", ".coverage.json")
report = json.loads(Path(".coverage.json").read_text(encoding="utf-8"))
share = {name: file["summary"]["percent_covered"] for name, file in report["files"].items()}
low = sorted((of, name) for name, of in share.items() if of < LEAST)
print(f"coverage: {report['totals']['percent_covered']:.1f} % of {report['totals']['num_statements']:,} statements")
print(f"under {LEAST} %: " + ("" if low else "no file"))
for of, name in low:
    print(f"  {of:3.0f} %  {name}")
