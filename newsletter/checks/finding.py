"""A finding: what a check found, where, and what to do."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, as `check --json` prints it."""

    rule: str
    severity: Severity
    message: str  # what happens to the reader
    line: int | None  # in `source`, from 1
    hint: str  # how to mend it
    source: str  # the post's or template's path, or empty where it can't be known
