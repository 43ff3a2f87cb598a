"""SPF: does the return path's domain say that our relays may send for it? (RFC 7208)"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence

from newsletter.compose.message.dkim_key import text_record
from newsletter.doctor.diagnosis import Diagnosis, zone_lines
from newsletter.doctor.dns.resolver import Answer, Resolver
from newsletter.doctor.dns.sources import sources_of
from newsletter.doctor.dns.spf_faults import CHECK, faults_of, joined_words, mended_terms, with_terms
from newsletter.doctor.dns.spf_record import VERSION, looks_like_spf
from newsletter.doctor.dns.spf_walk import LOOKUPS, Walk, authorizes, find_spf, walk
from newsletter.doctor.identity import Identity
from newsletter.doctor.profiles import Profile
from newsletter.smtp.relay import Relay

SLIPS = 3
"""Of a record that can't be read, so many are mended to see what else is wrong."""


async def examine_spf(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """What is wrong with the record of the return path's domain, and whether each relay is in it."""
    domain = identity.return_domain
    answer = await resolver.ask(domain, "TXT")
    records, trouble = await find_spf(domain, resolver)
    if trouble:
        return [Diagnosis(CHECK, "fail", f"SPF of {domain} can't be read: {trouble}", "fix the domain's name servers")]
    if not records:
        return [await _missing(identity, answer, resolver)]
    if len(records) > 1:
        return [_several(identity, records)]
    found, ours = await walk(domain, records[0], resolver), await _ours(identity, resolver)
    strings = answer.strings[answer.records.index(records[0])]
    diagnoses = faults_of(found, strings, answer.records, ours)
    for _ in range(SLIPS):
        if found.terms or not found.errors or "joined" in diagnoses[0].what:
            break  # what follows is said of the record with that slip mended
        terms = mended_terms(found, found.errors[0], ours)
        found = await walk(domain, " ".join([VERSION, *terms]), resolver, written=records[0])
        diagnoses += faults_of(found, (), (), ours)
    for relay, profile in identity.profiles():
        said = [one async for one in _includes(found, identity, relay, profile, resolver)]
        is_void = any(one.result == "fail" for one in diagnoses)  # then nobody is let in by it
        diagnoses += [one for one in said if not (is_void and one.result == "pass")]
    if not any(one.result in ("fail", "warn") for one in diagnoses):
        lookups = f"{found.lookups} of {LOOKUPS} look-ups"
        diagnoses.insert(0, Diagnosis(CHECK, "pass", f"SPF of {domain} can be used ({lookups}): {found.record}"))
    return diagnoses


async def _missing(identity: Identity, answer: Answer, resolver: Resolver) -> Diagnosis:
    domain = identity.return_domain
    if joined := next(filter(None, (joined_words(domain, one) for one in answer.strings)), None):
        return joined
    line = text_record(domain, f"v=spf1 {' '.join(await _ours(identity, resolver))} ~all".replace("  ", " "))
    if near := next(filter(looks_like_spf, answer.records), ""):
        what = f"SPF of {domain} is not read: its record must begin with `v=spf1 `, and begins {near[:24]!r}"
        return Diagnosis(CHECK, "fail", what, zone_lines(domain, line, instead="it"))
    led = f" (an alias of {answer.aliases[-1]}, where there is none)" if answer.aliases else ""
    what = f"{domain}, the return path's domain, has no SPF record{led}: receivers can't tell our mail from forgery"
    return Diagnosis(CHECK, "fail", what, zone_lines(domain, line))


async def _ours(identity: Identity, resolver: Resolver) -> list[str]:
    """The terms that let our relays in."""
    terms: list[str] = []
    for relay, profile in identity.profiles():
        terms += [f"include:{profile.include}"] if profile and profile.include else await _own_terms(relay, resolver)
    return list(dict.fromkeys(terms)) or ["mx"]


async def _own_terms(relay: Relay, resolver: Resolver) -> list[str]:
    return [f"ip{one.version}:{one}" for one in (await sources_of(relay, resolver))[0] if not one.is_loopback]


def _several(identity: Identity, records: Sequence[str]) -> Diagnosis:
    domain = identity.return_domain
    terms: list[str] = []
    ends = {term.lower() for record in records for term in record.split()[1:] if term.lower().endswith("all")}
    for record in sorted(records):
        for term in record.split()[1:]:
            if term.lower().lstrip("+-~?") != "all" and term not in terms:
                terms.append(term)
    what = f"{domain} has {len(records)} SPF records, and receivers use none of them; one holds everything"
    line = text_record(domain, " ".join(["v=spf1", *terms, "-all" if ends == {"-all"} else "~all"]))
    return Diagnosis(CHECK, "fail", what, zone_lines(domain, line, instead=f"all {len(records)}"))


async def _includes(
    found: Walk, identity: Identity, relay: Relay, profile: Profile | None, resolver: Resolver
) -> AsyncIterator[Diagnosis]:
    """Whether mail from this relay passes."""
    if found.errors or found.troubles or found.lookups > LOOKUPS:
        return
    if profile is not None and profile.include:
        yield await _known(found, identity, profile, resolver)
        return
    sources, trouble = await sources_of(relay, resolver)
    if relay.is_loopback and not sources:
        said = await authorizes(
            found.domain, ipaddress.ip_address("127.0.0.1"), identity.mail_from, resolver, found.record
        )
        if said != "pass":
            what = f"the relay is on this machine: whether SPF of {found.domain} names its public address can't be told"
            yield Diagnosis(CHECK, "warn", what, with_terms(found, ["ip4:ADDRESS-OF-THIS-MACHINE"]))
        return
    if not sources:
        reason = trouble or "it has no address"
        yield Diagnosis("relay-address", "fail", f"the relay {relay.host} can't be found: {reason}", "check [smtp] url")
        return
    said_of = await asyncio.gather(
        *(authorizes(found.domain, one, identity.mail_from, resolver, found.record) for one in sources)
    )
    left_out = [(one, said) for one, said in zip(sources, said_of, strict=True) if said != "pass"]
    if not left_out:
        yield Diagnosis(CHECK, "pass", f"SPF of {found.domain} lets the relay {relay.host} send")
        return
    shown = ", ".join(f"{one} ({said})" for one, said in left_out)
    what = f"SPF of {found.domain} does not include the relay {relay.host}: {shown}"
    if _in_its_house(found, relay.host):
        what += "; it includes its house, which may send from other addresses"
        yield Diagnosis(CHECK, "warn", what, "run `newsletter doctor --probe`, which tells what a mailbox sees")
        return
    terms = [f"ip{one.version}:{one}" for one, _ in left_out if not one.is_loopback] or [f"a:{relay.host}"]
    yield Diagnosis(CHECK, "fail", what, with_terms(found, terms))


async def _known(found: Walk, identity: Identity, profile: Profile, resolver: Resolver) -> Diagnosis:
    if profile.include in found.domains or await _networks_are_in(found, identity, profile, resolver):
        return Diagnosis(CHECK, "pass", f"SPF of {found.domain} lets {profile.name} send")
    fix = with_terms(found, [f"include:{profile.include}"])
    if profile.own_return_path:
        what = f"SPF of {found.domain} does not include {profile.name}, which uses a return path of its own until you "
        return Diagnosis(CHECK, "warn", what + "set one there: SPF then does not align with From", fix)
    return Diagnosis(CHECK, "fail", f"SPF of {found.domain} does not include the relay, {profile.name}", fix)


async def _networks_are_in(found: Walk, identity: Identity, profile: Profile, resolver: Resolver) -> bool:
    """Are the first networks of the relay's own record allowed, where a record was flattened?"""
    records, _ = await find_spf(profile.include, resolver)
    if len(records) != 1:
        return False
    theirs = await walk(profile.include, records[0], resolver)
    networks = [term.network for term in theirs.terms if term.name in ("ip4", "ip6")][:3]
    said = [
        await authorizes(found.domain, net.network_address, identity.mail_from, resolver, found.record)
        for net in networks
    ]
    return bool(said) and all(one == "pass" for one in said)


def _in_its_house(found: Walk, host: str) -> bool:
    """Does the record include one of the relay's own domain, from whose networks it may well send?"""
    house = ".".join(host.split(".")[-2:])
    return any(one == house or one.endswith(f".{house}") for one in found.domains[1:])
