"""The mailbox providers' rules for bulk senders, as a table: each rule's source and date, and whether we keep it.

What is known comes from the other examinations; a rule that could not be looked at is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.doctor.audience import APPLE, GMAIL, MICROSOFT, YAHOO, Readership
from newsletter.doctor.diagnosis import Diagnosis, Result, worst

BULK = 5_000
"""Messages a day from which Gmail and Microsoft call a sender a bulk sender."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one provider publishes."""

    provider: str
    name: str
    since: str
    url: str
    rules: tuple[str, ...]  # of RULES, those that it names


RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "SPF": ("SPF passes", ("spf",)),
    "DKIM": ("DKIM signs with a key whose record stands", ("dkim",)),
    "DMARC": ("DMARC has a policy, at least p=none", ("dmarc",)),
    "alignment": ("SPF or DKIM aligns with From", ("dmarc-alignment",)),
    "TLS": ("mail leaves over TLS", ("relay-tls",)),
    "PTR": ("the sending address has a name that leads back", ("ptr",)),
    "From": ("From is of a domain of one's own, which exists", ("from",)),
    "replies": ("From and the return path take mail", ("mx",)),
    "one click": ("unsubscribing takes one click (RFC 8058), within two days", ("one-click",)),
    "complaints": ("complaints stay under 0.1 %, and never reach 0.3 %", ("reputation",)),
}
"""Each rule in words, and the checks that answer it."""

PROVIDERS = (
    Rules(
        GMAIL, "email sender guidelines", "February 2024, enforced since November 2025",
        "https://support.google.com/mail/answer/81126",
        ("SPF", "DKIM", "DMARC", "alignment", "TLS", "PTR", "From", "one click", "complaints"),
    ),
    Rules(
        YAHOO, "sender best practices", "February 2024", "https://senders.yahooinc.com/best-practices/",
        ("SPF", "DKIM", "DMARC", "alignment", "PTR", "From", "one click", "complaints"),
    ),
    Rules(
        MICROSOFT, "requirements for high-volume senders", "May 2025",
        "https://sendersupport.olc.protection.outlook.com/pm/policies.aspx",
        ("SPF", "DKIM", "DMARC", "alignment", "replies", "one click", "complaints"),
    ),
    Rules(
        APPLE, "postmaster information for iCloud Mail", "2025", "https://support.apple.com/102322",
        ("SPF", "DKIM", "DMARC", "PTR", "From", "one click", "complaints"),
    ),
)  # fmt: skip
_SAID = {"pass": "kept", "warn": "kept", "fail": "broken", "skip": "open"}


def judge(rule: str, found: Sequence[Diagnosis]) -> Result:
    """Whether a rule is kept, by what the examinations found."""
    ours = [one for one in found if one.check in RULES[rule][1]]
    if rule == "DKIM" and any("no [dkim] key" in one.what for one in ours):
        return "skip"
    if rule == "one click" and any(one.result == "warn" for one in ours):
        return "fail"
    result = worst(ours) if ours else "skip"
    return "pass" if result == "warn" else result


def examine_rules(audience: Readership, found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """A line for each provider: how many read there, and which of its rules are broken."""
    counts = audience.by_provider()
    diagnoses = []
    for one in PROVIDERS:
        results = {rule: judge(rule, found) for rule in one.rules}
        broken = [RULES[rule][0] for rule, result in results.items() if result == "fail"]
        still = [rule for rule, result in results.items() if result == "skip"]
        binds = f"{counts[one.provider]:,} read there" + (
            ": the bulk rules bind you" if counts[one.provider] >= BULK else ""
        )
        source = f"{one.provider}'s {one.name} (since {one.since}; {one.url})"
        kept = f"{sum(result == 'pass' for result in results.values())} of {len(results)} kept"
        what = f"{source}: {kept}" + (f", broken: {'; '.join(broken)}" if broken else "")
        what += (f", open: {', '.join(still)}" if still else "") + f". {binds}"
        fix = "see those checks above" if broken else ""
        result: Result = "pass" if not broken else "fail" if counts[one.provider] else "warn"
        diagnoses.append(Diagnosis(f"{one.provider.lower()}-rules", result, what, fix))
    return diagnoses


def rules_table(found: Sequence[Diagnosis]) -> list[tuple[str, ...]]:
    """Rule by provider: kept, broken, open, or no rule of theirs. The first row names the providers."""
    rows = [("rule", *(one.provider for one in PROVIDERS))]
    for rule in RULES:
        said = _SAID[judge(rule, found)]
        rows.append((RULES[rule][0], *(said if rule in one.rules else "" for one in PROVIDERS)))
    return rows
