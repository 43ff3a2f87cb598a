"""The mailbox providers' rules for bulk senders, as a table: each rule's source and date, and whether we keep it.

What is known comes from the other examinations; a rule that could not be looked at is open. The rules are as the
providers' pages said them on the day in `Rules.read`; newer ones are not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.doctor.audience import APPLE, GMAIL, MICROSOFT, YAHOO, Readership
from newsletter.doctor.diagnosis import Diagnosis, Result, worst
from newsletter.doctor.reputation import Reputation

BULK = 5_000
"""Messages a day to personal mailboxes from which Gmail and Microsoft call a sender a bulk sender."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one provider publishes."""

    provider: str
    name: str
    since: str
    url: str
    read: str  # the day whose text of that page the rules are from
    rules: tuple[str, ...]  # of RULES, those that it names
    bulk: int = 0  # readers from which they bind; 0 where it names no number


RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "SPF": ("SPF passes", ("spf",)),
    "DKIM": ("DKIM signs with a key whose record stands", ("dkim",)),
    "DMARC": ("DMARC has a policy, at least p=none", ("dmarc",)),
    "alignment": ("SPF or DKIM aligns with From", ("dmarc-alignment",)),
    "TLS": ("mail leaves over TLS", ("relay-tls", "probe-tls")),
    "PTR": ("the sending address has a name that leads back", ("ptr",)),
    "From": ("From is not at a mailbox provider's domain", ("from",)),
    "replies": ("From takes replies (recommended)", ("mx",)),
    "one click": ("unsubscribing takes one click (RFC 8058), within two days", ("one-click",)),
    "leaving": ("there is a working way to unsubscribe", ("one-click",)),
    "complaints": ("complaints stay under 0.3 %", ()),
}
"""Each rule in words, and the checks that answer it."""

PROVIDERS = (
    Rules(
        GMAIL, "email sender guidelines", "February 2024, enforced more strictly since November 2025",
        "https://support.google.com/mail/answer/81126", "21 March 2026",
        ("SPF", "DKIM", "DMARC", "alignment", "TLS", "PTR", "From", "one click", "complaints"), BULK,
    ),
    Rules(
        YAHOO, "sender requirements", "February 2024, unsubscribing since June 2024",
        "https://senders.yahooinc.com/best-practices/", "18 June 2026",
        ("SPF", "DKIM", "DMARC", "alignment", "PTR", "leaving", "complaints"),
    ),
    Rules(
        MICROSOFT, "requirements for high-volume senders", "May 2025",
        "https://postmaster.live.com/pm/policies.aspx", "15 June 2026",
        ("SPF", "DKIM", "DMARC", "alignment", "PTR", "replies", "leaving"), BULK,
    ),
    Rules(
        APPLE, "postmaster information for iCloud Mail", "its page of February 2025", "https://support.apple.com/102322",
        "2 March 2026", ("SPF", "DKIM", "DMARC", "PTR", "leaving"),
    ),
)  # fmt: skip
_SAID = {"pass": "kept", "warn": "kept", "fail": "broken", "skip": "open"}


def judge(rule: str, provider: str, found: Sequence[Diagnosis], reputation: Reputation) -> Result:
    """Whether a provider's rule is kept, by what the examinations found."""
    if rule == "complaints":
        return reputation.complaints(provider)
    ours = [one for one in found if one.check in RULES[rule][1]]
    if rule == "DKIM" and any("no [dkim] key" in one.what for one in ours):
        return "skip"
    if rule == "one click" and any(one.result == "warn" for one in ours):  # by mail alone, which Yahoo accepts
        return "fail"
    result = worst(ours) if ours else "skip"
    return "pass" if result == "warn" else result


def examine_rules(audience: Readership, found: Sequence[Diagnosis], reputation: Reputation) -> list[Diagnosis]:
    """A line for each provider: how many read there, and which of its rules are broken."""
    counts = audience.by_provider()
    diagnoses = []
    for one in PROVIDERS:
        results = {rule: judge(rule, one.provider, found, reputation) for rule in one.rules}
        broken = [RULES[rule][0] for rule, result in results.items() if result == "fail"]
        still = [rule for rule, result in results.items() if result == "skip"]
        binds = counts[one.provider] > 0 and audience.at_home(one.provider) >= one.bulk
        source = f"{one.provider}'s {one.name} (since {one.since}; {one.url}, as of {one.read})"
        kept = f"{sum(result == 'pass' for result in results.values())} of {len(results)} kept"
        what = f"{source}: {kept}" + (f", broken: {'; '.join(broken)}" if broken else "")
        what += (f", open: {', '.join(still)}" if still else "") + f". {counts[one.provider]:,} read there"
        what += ": the bulk rules bind you" if binds else ""
        fix = "see those checks above" if broken else ""
        result: Result = "pass" if not broken else "fail" if binds else "warn"
        diagnoses.append(Diagnosis(f"{one.provider.lower()}-rules", result, what, fix))
    return diagnoses


def rules_table(found: Sequence[Diagnosis], reputation: Reputation) -> list[tuple[str, ...]]:
    """Rule by provider: kept, broken, open, or no rule of theirs. The first row names the providers."""
    rows = [("rule", *(one.provider for one in PROVIDERS))]
    for rule, (words, _) in RULES.items():
        said = ((one, _SAID[judge(rule, one.provider, found, reputation)]) for one in PROVIDERS)
        rows.append((words, *(word if rule in one.rules else "" for one, word in said)))
    return rows
