"""Run the examinations in turn. A new one is a function that returns diagnoses, and a line in `examine`."""

import asyncio
from dataclasses import dataclass

from newsletter.config.settings import Config
from newsletter.doctor.audience import examine_audience, read_audience
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.dns.dkim import examine_dkim
from newsletter.doctor.dns.dmarc import examine_dmarc
from newsletter.doctor.dns.mail_hosts import examine_from, examine_mx, examine_ptr
from newsletter.doctor.dns.policies import examine_bimi, examine_lists, examine_transport
from newsletter.doctor.dns.resolver import Resolver, open_resolver
from newsletter.doctor.dns.spf import examine_spf
from newsletter.doctor.here import examine_here
from newsletter.doctor.identity import Identity, read_identity
from newsletter.doctor.known_domains import freemail
from newsletter.doctor.mailbox_rules import examine_rules, rules_table
from newsletter.doctor.one_click import examine_one_click
from newsletter.doctor.probe import examine_probe
from newsletter.doctor.relay import examine_relays
from newsletter.doctor.reputation import examine_reputation, read_reputation
from newsletter.errors import TryAgainLater


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at together, under a heading."""

    heading: str
    diagnoses: tuple[Diagnosis, ...]
    table: tuple[tuple[str, ...], ...] = ()  # an overview for people; its first row is the header


@dataclass(frozen=True, slots=True)
class Case:
    """What the examinations have in common."""

    config: Config
    identity: Identity
    resolver: Resolver


async def examine_identity(case: Case) -> list[Diagnosis]:
    """What DNS says of us. Raises TryAgainLater where no name server answers."""
    identity, resolver = case.identity, case.resolver
    if {identity.domain, identity.return_domain} <= freemail():
        return [*await examine_from(identity, resolver), *await examine_ptr(identity, resolver)]
    found = await asyncio.gather(
        examine_from(identity, resolver),
        examine_spf(identity, resolver),
        examine_dkim(case.config, identity, resolver),
        examine_dmarc(identity, resolver),
        examine_mx(identity, resolver),
        examine_ptr(identity, resolver),
        examine_transport(identity, resolver),
        examine_bimi(identity, resolver),
        examine_lists(identity, tuple(case.config.doctor.lists), resolver),
    )
    if resolver.is_away:
        what = f"no name server answers at {resolver.name}; check [doctor] nameserver and the network, and run it again"
        raise TryAgainLater(what)
    return [one for group in found for one in group]


def open_case(config: Config) -> Case:
    """Whom to examine. Raises NewsletterError where there is no author, or no name server to ask."""
    return Case(config, read_identity(config), open_resolver(config))


async def examine(config: Config, *, probe: bool = False) -> list[Examination]:
    """Everything that can be looked at from here, under its headings; with `probe` also what becomes of a message.

    Raises NewsletterError where there is no author or no name server to ask, TryAgainLater where none answers.
    """
    case = open_case(config)
    identity = await examine_identity(case)
    audience = await read_audience(config, case.resolver)
    relays, (one_click, outside) = await asyncio.gather(
        examine_relays(case.identity, audience.total, audience.unicode), examine_one_click(config)
    )
    probed = await examine_probe(config, case.identity) if probe else []
    readers = examine_audience(config, audience)
    outcomes = read_reputation(config, audience)
    found = [*identity, *relays, *probed, *one_click]
    examinations = [
        Examination("Identity", tuple(identity)),
        Examination("Relay", tuple(relays)),
        Examination("A message on its way", tuple(probed)),
        Examination("Unsubscribing from outside", tuple(one_click)),
        Examination("Audience", (*readers, *examine_reputation(outcomes))),
        Examination(
            "Mailbox providers' rules",
            tuple(examine_rules(audience, found, outcomes)),
            tuple(rules_table(found, outcomes)),
        ),
        Examination("Here", tuple(examine_here(config, outside))),
    ]
    return [one for one in examinations if one.diagnoses]
