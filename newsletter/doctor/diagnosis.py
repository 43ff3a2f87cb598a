"""What the doctor says: one thing that was looked at, how it stands, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Result = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`fail`: mail is lost or the thing does nothing as it is; `warn`: it works, and should be better; `skip`: it could
    not be looked at, or is no matter here.

    `what` says what is so, and why it matters where it is wrong. `fix` is what to do; lines of a zone file or of
    newsletter.toml stand on lines of their own, to be copied.
    """

    check: str
    result: Result
    what: str
    fix: str = ""


def worst(found: Iterable[Diagnosis]) -> Result:
    """The worst result of some diagnoses; `pass` for none."""
    order: tuple[Result, ...] = ("fail", "warn", "pass", "skip")
    results = {one.result for one in found}
    return next((result for result in order if result in results), "pass")


def zone_lines(domain: str, *lines: str, instead: str = "") -> str:
    """What to put into a domain's DNS, or what instead of what."""
    begin = (
        f"In the DNS of {domain}, put this in place of {instead}:" if instead else f"Put this into the DNS of {domain}:"
    )
    return "\n".join([begin, *lines])


def is_copied(line: str) -> bool:
    """Is it a line of a zone file or of newsletter.toml, in a `fix`?"""
    return " IN " in line or line.startswith("[")
