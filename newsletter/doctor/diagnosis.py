"""What the doctor says: one thing that was looked at, how it stands, and how to mend it.

What strangers wrote (records, replies, messages) is said in it, so what would steer a terminal is shown, not sent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Result = Literal["pass", "warn", "fail", "skip"]
LONGEST = 1_200
"""Characters of what is said; a record may have 64,000."""
_SHOWN = 300  # of a record that is to go
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


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

    def __post_init__(self) -> None:
        """Make it fit for a terminal and a page."""
        object.__setattr__(self, "what", shortened(visible(self.what.replace("\n", " ")), LONGEST))
        object.__setattr__(self, "fix", visible(self.fix))


def worst(found: Iterable[Diagnosis]) -> Result:
    """The worst result of some diagnoses; `pass` for none."""
    order: tuple[Result, ...] = ("fail", "warn", "pass", "skip")
    results = {one.result for one in found}
    return next((result for result in order if result in results), "pass")


def visible(text: str) -> str:
    """`text` with the characters that nobody sees, or that steer a terminal, written out."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def shortened(text: str, most: int) -> str:
    """`text` of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def zone_lines(domain: str, *lines: str, instead: str = "") -> str:
    """What to put into a domain's DNS, or what instead of what."""
    begin = (
        f"In the DNS of {domain}, put this in place of {shortened(instead, _SHOWN)}:"
        if instead
        else f"Put this into the DNS of {domain}:"
    )
    return "\n".join([begin, *lines])


def is_copied(line: str) -> bool:
    """Is it a line of a zone file or of newsletter.toml, in a `fix`?"""
    return " IN " in line or line.startswith("[")
