"""Faults on order: what the test inbox's server does wrong, on purpose, so that a program's failure paths can be tried.

A fault is `STEP=ACTION` or `STEP=ACTION:WHEN`.

    rcpt=550:*@full.example.org     refuse these recipients
    rcpt=451:first                  greylisting: refuse each recipient the first time
    mail=451:10%                    refuse one sender in ten
    auth=535                        refuse every login
    data=552 mailbox full:0.05      refuse one message in twenty, with this text
    dot=2s                          answer the final dot after two seconds
    data=drop:0.05                  cut the connection in the middle of a message
    dot=drop:0.05                   keep the message, then cut the connection without a reply

Pure but for the chance that is passed in, and the memory of who was refused once.
"""

import fnmatch
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from newsletter.errors import NewsletterError

STEPS = ("connect", "auth", "mail", "rcpt", "data", "dot")
"""When a fault may happen: at the greeting, a login, MAIL FROM, RCPT TO, DATA, and after the final dot."""
MAX_DELAY = 3600.0

_SPEC = re.compile(
    r"(?P<step>[a-z]+)=(?:(?P<code>[45]\d\d)(?: (?P<text>[^:]+))?|(?P<drop>drop)"
    r"|(?P<delay>\d+(?:\.\d+)?)(?P<unit>ms|s|m))"
    r"(?::(?P<when>.+))?\Z"
)
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0}
_TEXTS = {
    "connect": "4.3.2 not now", "auth": "5.7.8 wrong user or password", "mail": "sender refused",
    "rcpt": "recipient refused", "data": "message refused", "dot": "message refused",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; exactly one of `code`, `drop` and `delay` is set."""

    step: str
    code: int = 0
    text: str = ""
    drop: bool = False
    delay: float = 0.0  # seconds
    chance: float = 1.0
    pattern: str = ""  # of an address, or of a login's name; `*` and `?` as in a shell
    first: bool = False  # the first time for each address

    def __str__(self) -> str:
        action = f"{self.code} {self.text}".strip() if self.code else "drop" if self.drop else f"{self.delay:g}s"
        when = self.pattern or ("first" if self.first else "" if self.chance == 1 else f"{self.chance:g}")
        return f"{self.step}={action}" + (f":{when}" if when else "")

    @property
    def reply(self) -> str:
        """The line that refuses, with an enhanced code (RFC 3463) of the same class."""
        text = self.text or _TEXTS[self.step]
        enhanced = "" if re.match(r"[245]\.\d+\.\d+ ", text) else f"{self.code // 100}.0.0 "
        if not self.text and self.step in {"connect", "auth"}:
            text = f"{self.code // 100}{text[1:]}"
        return f"{self.code} {enhanced}{text}"


def parse_fault(spec: str) -> Fault:
    """Read `STEP=ACTION[:WHEN]`. Raises NewsletterError."""
    match = _SPEC.match(spec.strip())
    if not match or match["step"] not in STEPS:
        raise NewsletterError(
            f"{spec!r} is no fault; write STEP=ACTION[:WHEN], such as rcpt=451:10%, with STEP one of {', '.join(STEPS)}"
            " and ACTION a reply code (4xx, 5xx), drop, or a delay such as 2s"
        )
    fault = Fault(match["step"])
    code, drop, delay = int(match["code"] or 0), bool(match["drop"]), 0.0
    text = (match["text"] or "").strip()
    if not (text.isascii() and text.isprintable()):
        raise NewsletterError(f"{spec!r}: the text of a reply is one line of ASCII; write it without other characters")
    if match["delay"]:
        delay = float(match["delay"]) * _UNIT[match["unit"]]
        if delay > MAX_DELAY:
            raise NewsletterError(f"{spec!r}: a delay is at most an hour; write a shorter one")
    chance, pattern, first = _when(spec, match["when"], match["step"])
    return Fault(fault.step, code, text, drop, delay, chance, pattern, first)


def _when(spec: str, when: str | None, step: str) -> tuple[float, str, bool]:
    if when is None:
        return 1.0, "", False
    if when == "first":
        if step == "connect":
            raise NewsletterError(
                f"{spec!r}: nobody has said who they are yet; write a chance, such as connect=421:10%"
            )
        return 1.0, "", True
    if number := re.match(r"(\d+(?:\.\d*)?|\.\d+)(%?)\Z", when):
        chance = float(number[1]) / (100 if number[2] else 1)
        if not 0 <= chance <= 1:
            raise NewsletterError(f"{spec!r}: {when} is no chance; write 0 to 1, or 0% to 100%")
        return chance, "", False
    if step == "connect":
        raise NewsletterError(f"{spec!r}: nobody has said who they are yet; write a chance, such as connect=421:10%")
    return 1.0, when, False


@dataclass(slots=True)
class Faults:
    """The faults in force. May be changed while the server runs."""

    faults: tuple[Fault, ...] = ()
    chance: random.Random = field(default_factory=random.Random)
    _refused: set[tuple[Fault, str]] = field(default_factory=set)

    @classmethod
    def parse(cls, specs: Iterable[str], chance: random.Random | None = None) -> "Faults":
        """Faults from specs such as "rcpt=451:10%"; `chance` may be seeded. Raises NewsletterError."""
        return cls(tuple(parse_fault(spec) for spec in specs), chance or random.Random())

    def replace(self, specs: Iterable[str]) -> None:
        """Put other faults in force, or none. Raises NewsletterError, and then changes nothing."""
        self.faults = tuple(parse_fault(spec) for spec in specs)
        self._refused.clear()

    def at(self, step: str, names: Sequence[str] = ()) -> list[Fault]:
        """What goes wrong at this step for these addresses: delays first, then at most one refusal or drop."""
        if not self.faults:
            return []
        due: list[Fault] = []
        for fault in self.faults:
            if fault.step != step or not self._is_due(fault, names):
                continue
            if fault.delay:
                due.insert(0, fault)
            elif not due or due[-1].delay:
                due.append(fault)
        return due

    def _is_due(self, fault: Fault, names: Sequence[str]) -> bool:
        if fault.pattern:
            pattern = fault.pattern.lower()
            return any(fnmatch.fnmatchcase(name.lower(), pattern) for name in names)
        if fault.first:
            fresh = [name.lower() for name in names if (fault, name.lower()) not in self._refused]
            if len(self._refused) > 1_000_000:
                self._refused.clear()
            self._refused.update((fault, name) for name in fresh)
            return bool(fresh)
        return fault.chance >= 1 or self.chance.random() < fault.chance
