"""How the last issues fared at each mailbox provider: complaints and bounces against what providers bear."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from newsletter.config.settings import Config
from newsletter.delivery.ledger.outcomes import Outcome, outcomes_by_domain
from newsletter.doctor.audience import Readership
from newsletter.doctor.diagnosis import Diagnosis, Result
from newsletter.doctor.state import existing_state

ISSUES = 5
GOOD, BEARABLE = 0.001, 0.003
"""Complaints a message: Gmail and Yahoo ask for less than a thousandth, and act at three."""
BOUNCES, MANY_BOUNCES = 0.02, 0.05
FEW = 100
"""Messages under which a share says nothing."""
_LESS_COMPLAINTS = (
    "mail who asked for it, say at the top who writes and how to leave, and send no more than was promised"
)
_LESS_BOUNCES = "remove what bounces, and confirm addresses (double opt-in); most come with imported lists"


@dataclass(frozen=True, slots=True)
class Reputation:
    """What became of the last issues, at each provider."""

    issues: int = 0
    by_provider: Mapping[str, Outcome] = field(default_factory=dict)

    def complaints(self, provider: str) -> Result:
        """Whether complaints there stay under what it bears; `skip` where too little was sent to say."""
        one = self.by_provider.get(provider)
        if one is None or one.sent < FEW:
            return "skip"
        return "fail" if one.complaints / one.sent >= BEARABLE else "pass"


def read_reputation(config: Config, audience: Readership) -> Reputation:
    """The outcomes of the last issues, by provider."""
    engine = existing_state(config)
    if engine is None:
        return Reputation()
    ids, by_domain = outcomes_by_domain(engine, ISSUES)
    engine.dispose()
    found: dict[str, Outcome] = defaultdict(Outcome)
    for domain, outcome in by_domain.items():
        one = found[audience.provider(domain)]
        one.sent += outcome.sent
        one.failed += outcome.failed
        one.bounced += outcome.bounced
        one.complaints += outcome.complaints
    return Reputation(len(ids), found)


def examine_reputation(found: Reputation) -> list[Diagnosis]:
    """A line for each provider, over the last issues."""
    if not any(one.sent for one in found.by_provider.values()):
        return [Diagnosis("reputation", "skip", "nothing has been sent yet")]
    issues = f"the last {found.issues} issues" if found.issues > 1 else "the last issue"
    return [
        _judge(name, one, issues) for name, one in sorted(found.by_provider.items(), key=lambda pair: -pair[1].sent)
    ]


def _judge(name: str, one: Outcome, issues: str) -> Diagnosis:
    complaints = one.complaints / max(one.sent, 1)
    back = (one.failed + one.bounced) / max(one.sent + one.failed, 1)
    what = (
        f"{name}, {issues}: {one.sent:,} accepted, {one.complaints:,} complaints ({complaints:.2%}, of 0.1 % at most), "
        f"{one.failed + one.bounced:,} refused or bounced ({back:.1%})"
    )
    enough = one.sent >= FEW
    result: Result = "pass"
    if enough and (complaints >= BEARABLE or back >= MANY_BOUNCES):
        result = "fail"
    elif enough and (complaints >= GOOD or back >= BOUNCES):
        result = "warn"
    fix = _LESS_COMPLAINTS if complaints >= GOOD else _LESS_BOUNCES
    return Diagnosis("reputation", result, what, fix if result != "pass" else "")
