"""The audience: how many read at each mailbox provider, whose rules therefore bind, and what is wrong with the list.

A provider is known by the recipient's domain, or by that domain's MX, which is asked for the domains with the most
readers and remembered in `.newsletter/mx.json` for a month. Nobody's mailbox is asked.
"""

import asyncio
import contextlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from newsletter.audience.address import address_key, needs_smtputf8
from newsletter.audience.signup import all_unconfirmed
from newsletter.audience.source import find_list
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import suppressed_keys
from newsletter.config.settings import Config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.known_domains import disposable, meant
from newsletter.doctor.state import existing_state
from newsletter.errors import NewsletterError

GMAIL, YAHOO, MICROSOFT, APPLE, OTHERS = "Gmail", "Yahoo", "Microsoft", "Apple", "others"
ASKED = 200
"""Domains whose MX is asked, those with the most readers first."""
KEPT = 30 * 86_400
SHOWN = 3
FEW_ROLES = 0.01
"""Of the list, whose role is no worry."""
ROLES = frozenset(
    {
        "abuse", "admin", "all", "billing", "contact", "devnull", "everyone", "ftp", "help", "hostmaster", "info",
        "list", "mailer-daemon", "marketing", "no-reply", "noc", "noreply", "nobody", "office", "postmaster", "press",
        "root", "sales", "security", "spam", "staff", "subscribe", "support", "team", "test", "undisclosed-recipients",
        "unsubscribe", "webmaster",
    }
)  # fmt: skip
_DOMAINS = {
    GMAIL: ("gmail.com", "googlemail.com"),
    YAHOO: ("yahoo.", "ymail.com", "rocketmail.com", "aol.", "myyahoo.com"),
    MICROSOFT: ("outlook.", "hotmail.", "live.", "msn.com", "passport.com"),
    APPLE: ("icloud.com", "me.com", "mac.com"),
}
_HOSTS = {
    GMAIL: (".google.com", ".googlemail.com", ".smtp.goog"),
    YAHOO: (".yahoodns.net",),
    MICROSOFT: (".outlook.com", ".mx.microsoft", ".office365.us"),
    APPLE: (".icloud.com", ".apple.com"),
}


@dataclass
class Readership:
    """Everybody who would get the next issue, counted."""

    total: int = 0
    unicode: int = 0  # whose address needs SMTPUTF8
    domains: Counter[str] = field(default_factory=Counter)
    roles: list[str] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)  # of each domain that was looked up
    dead: list[str] = field(default_factory=list)  # domains that take no mail
    trouble: NewsletterError | None = None  # why the list can't be read

    def by_provider(self) -> Counter[str]:
        """How many read at each."""
        found: Counter[str] = Counter()
        for domain, count in self.domains.items():
            found[self.provider(domain)] += count
        return found

    def at_home(self, provider: str) -> int:
        """How many read at a provider's own domains, which its bulk rules are about; firms' mail there is not."""
        return sum(count for domain, count in self.domains.items() if provider_of(domain) == provider)

    def provider(self, domain: str) -> str:
        """Where mail for `domain` goes."""
        return provider_of(domain) or self.providers.get(domain, OTHERS)


def provider_of(domain: str) -> str:
    """The provider of a domain that is its own; empty for any other."""
    for name, starts in _DOMAINS.items():
        if any(domain.startswith(start) if start.endswith(".") else domain == start for start in starts):
            return name
    return ""


async def read_audience(config: Config, resolver: Resolver) -> Readership:
    """Count the list, and ask for the MX of its larger domains."""
    found = await asyncio.get_running_loop().run_in_executor(None, _count, config)
    await _look_up(found, config.state_dir / "mx.json", resolver)
    return found


def _count(config: Config) -> Readership:
    found = Readership()
    try:
        rows = find_list(config)
        stopped: frozenset[str] = frozenset()
        if (engine := existing_state(config)) is not None:
            stopped = suppressed_keys(engine)
            engine.dispose()
        for _, row in rows or ():
            if not isinstance(row, Subscriber) or address_key(row.email) in stopped:
                continue
            local, _, domain = row.email.rpartition("@")
            found.total += 1
            found.unicode += needs_smtputf8(row.email)
            found.domains[domain] += 1
            if local.lower() in ROLES:
                found.roles.append(row.email)
    except NewsletterError as error:
        found.trouble = error
    return found


async def _look_up(found: Readership, cache: Path, resolver: Resolver) -> None:
    """The providers of domains that are not a provider's own, by their MX."""
    kept = _read_cache(cache)
    now = time.time()
    wanted = [domain for domain, _ in found.domains.most_common() if not provider_of(domain)][:ASKED]
    missing = [domain for domain in wanted if now - kept.get(domain, ("", 0.0))[1] > KEPT]
    for domain, answer in zip(
        missing, await asyncio.gather(*(resolver.ask(one, "MX") for one in missing)), strict=True
    ):
        if answer.outcome == "trouble":
            continue
        hosts = [record.split()[1] for record in answer.records if " " in record]
        provider = next((name for host in hosts for name, ends in _HOSTS.items() if host.endswith(ends)), OTHERS)
        if not hosts and (answer.records or not (await resolver.addresses(domain))[0]):
            provider = ""
        kept[domain] = (provider, now)
    if missing:
        _write_cache(cache, kept)
    found.providers = {domain: kept[domain][0] or OTHERS for domain in wanted if domain in kept}
    found.dead = [domain for domain in wanted if domain in kept and not kept[domain][0]]


def _read_cache(path: Path) -> dict[str, tuple[str, float]]:
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(domain): (str(provider), float(when)) for domain, (provider, when) in kept.items()}
    return {}


def _write_cache(path: Path, kept: dict[str, tuple[str, float]]) -> None:
    """Best effort: a doctor in a read-only place asks again next time."""
    now = time.time()
    fresh = {domain: entry for domain, entry in kept.items() if now - entry[1] <= KEPT}
    with contextlib.suppress(OSError):
        if path.parent.is_dir():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(fresh, file)


def examine_audience(config: Config, found: Readership) -> list[Diagnosis]:
    """Who reads where, and what is wrong with the list."""
    if found.trouble is not None:
        return [Diagnosis("audience", "fail", str(found.trouble), "`newsletter subscribers check` shows more")]
    if not found.total:
        return [Diagnosis("audience", "skip", "nobody is on the list yet")]
    counts = found.by_provider()
    shown = ", ".join(
        f"{counts[name]:,} at {name}" for name in (GMAIL, YAHOO, MICROSOFT, APPLE, OTHERS) if counts[name]
    )
    diagnoses = [Diagnosis("audience", "pass", f"{found.total:,} on the list: {shown}")]
    return diagnoses + _slips(found) + _thrown_away(found) + _roles(found) + _dead(found) + _unconfirmed(config)


def _slips(found: Readership) -> list[Diagnosis]:
    slips = {domain: wanted for domain in found.domains if (wanted := meant(domain))}
    if not slips:
        return []
    count = sum(found.domains[domain] for domain in slips)
    shown = _some([f"{slip} (for {wanted})" for slip, wanted in slips.items()])
    what = f"{count:,} on the list have a slip in their address: {shown}"
    fix = "fix those rows, or delete them; what was typed wrong goes to strangers, or to traps"
    return [Diagnosis("list-slips", "warn", what, fix)]


def _thrown_away(found: Readership) -> list[Diagnosis]:
    domains = [domain for domain in found.domains if domain in disposable() and not meant(domain)]
    if not domains:
        return []
    count = sum(found.domains[domain] for domain in domains)
    what = f"{count:,} on the list have an address to be thrown away: {_some(domains)}"
    return [Diagnosis("list-disposable", "warn", what, "remove them; they bounce soon, or nobody reads them")]


def _roles(found: Readership) -> list[Diagnosis]:
    if not found.roles:
        return []
    what = f"{len(found.roles):,} on the list are roles, and no persons: {_some(found.roles)}"
    if len(found.roles) <= found.total * FEW_ROLES:
        return [Diagnosis("list-roles", "pass", what)]
    fix = "ask them for a person's address: several read a role's, and one of them complains"
    return [Diagnosis("list-roles", "warn", what, fix)]


def _dead(found: Readership) -> list[Diagnosis]:
    dead = [domain for domain in found.dead if not meant(domain)]  # a slip is told once
    if not dead:
        return []
    count = sum(found.domains[domain] for domain in dead)
    what = f"{count:,} on the list are at domains that take no mail: {_some(dead)}"
    return [Diagnosis("list-dead", "warn", what, "remove them, or ask for another address: every one is a bounce")]


def _unconfirmed(config: Config) -> list[Diagnosis]:
    engine = existing_state(config)
    if engine is None:
        return []
    count = sum(1 for _ in all_unconfirmed(engine))
    engine.dispose()
    if not count:
        return []
    what = f"{count:,} asked to join and never confirmed; they get no mail, as it should be"
    return [Diagnosis("list-unconfirmed", "pass", what)]


def _some(names: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
