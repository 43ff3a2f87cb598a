"""The studio's page of the doctor's findings: what is wrong with identity, relay and list, and how to mend it.

DNS, the relay and the public pages are asked when somebody presses the button, and not before.
"""

import time
from dataclasses import dataclass
from typing import Any

from newsletter.config.settings import Config
from newsletter.doctor.diagnosis import Diagnosis, is_copied
from newsletter.doctor.run import Examination, examine

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "·"}
_WORDS = {"fail": "wrong", "warn": "to better", "pass": "fine", "skip": "not looked at"}


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found, and when by this machine's clock."""

    examinations: tuple[Examination, ...]
    moment: float


async def examine_now(config: Config) -> Checkup:
    """Ask everybody now. Raises what `doctor.run.examine` raises."""
    return Checkup(tuple(await examine(config)), time.time())


def context(checkup: Checkup | None) -> dict[str, Any]:
    """What the page shows; before the first look, how to take one."""
    if checkup is None:
        return {"sections": [], "counts": [], "moment": ""}
    found = [one for examination in checkup.examinations for one in examination.diagnoses]
    counts = [(result, word, sum(one.result == result for one in found)) for result, word in _WORDS.items()]
    return {
        "sections": [
            {"heading": one.heading, "table": one.table, "rows": list(map(_row, one.diagnoses))}
            for one in checkup.examinations
        ],
        "counts": counts,
        "moment": time.strftime("%H:%M:%S", time.localtime(checkup.moment)),
    }


def _row(one: Diagnosis) -> dict[str, Any]:
    """A diagnosis; what is copied out of its fix is told from what is said."""
    lines = [line for line in one.fix.split("\n") if line]
    return {
        "check": one.check, "result": one.result, "mark": MARKS[one.result], "word": _WORDS[one.result],
        "what": one.what, "fix": [(line, is_copied(line)) for line in lines],
    }  # fmt: skip
