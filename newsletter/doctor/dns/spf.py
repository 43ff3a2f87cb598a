"""SPF: does the return path's domain say that our relays may send for it? (RFC 7208)"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence

from newsletter.compose.message.dkim_key import text_record
from newsletter.doctor.diagnosis import Diagnosis, Result, zone_lines
from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.dns.sources import sources_of
from newsletter.doctor.dns.spf_record import Term, looks_like_spf
from newsletter.doctor.dns.spf_walk import LOOKUPS, TERMS, VOID, Walk, authorizes, find_spf, walk
from newsletter.doctor.identity import Identity
from newsletter.doctor.profiles import Profile
from newsletter.smtp.relay import Relay

CHECK = "spf"
LONGEST = 1_000
"""Characters of a record that still comes well through DNS."""
_WIDE = {4: 8, 6: 20}
"""A network of this length or shorter is nobody's own."""


async def examine_spf(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """What is wrong with the record of the return path's domain, and whether each relay is in it."""
    domain = identity.return_domain
    answer = await resolver.ask(domain, "TXT")
    records, trouble = await find_spf(domain, resolver)
    if trouble:
        return [Diagnosis(CHECK, "fail", f"SPF of {domain} can't be read: {trouble}", "mend the domain's name servers")]
    if not records:
        return [await _missing(identity, answer.records, resolver)]
    if len(records) > 1:
        return [_several(identity, records)]
    found = await walk(domain, records[0], resolver)
    diagnoses = [*_written(found), *_counted(found)]
    for relay, profile in identity.profiles():
        diagnoses += [one async for one in _includes(found, identity, relay, profile, resolver)]
    if not any(one.result in ("fail", "warn") for one in diagnoses):
        lookups = f"{found.lookups} of {LOOKUPS} look-ups"
        diagnoses.insert(0, Diagnosis(CHECK, "pass", f"SPF of {domain} can be used ({lookups}): {found.record}"))
    return diagnoses


async def _missing(identity: Identity, texts: Sequence[str], resolver: Resolver) -> Diagnosis:
    domain = identity.return_domain
    line = text_record(domain, f"v=spf1 {' '.join(await _ours(identity, resolver))} ~all".replace("  ", " "))
    if near := next(filter(looks_like_spf, texts), ""):
        what = f"SPF of {domain} is not read: its record must begin with `v=spf1 `, and begins {near[:24]!r}"
        return Diagnosis(CHECK, "fail", what, zone_lines(domain, line, instead="it"))
    what = f"{domain}, the return path's domain, has no SPF record: receivers can't tell our mail from forgery"
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


def _written(found: Walk) -> list[Diagnosis]:
    """What is wrong with the record as it is written."""
    diagnoses = []
    for error in found.errors:
        what = f"SPF of {found.domain} can't be used, so nothing is authorised by it: {error.what}"
        fix = f"{error.hint or 'mend that term'}; the record is now {found.record!r}"
        diagnoses.append(Diagnosis(CHECK, "fail", what, fix))
    for trouble in dict.fromkeys(found.troubles):
        what = f"SPF of {found.domain} leads to {trouble}; receivers put mail off while that lasts"
        diagnoses.append(Diagnosis(CHECK, "fail", what, "take that term out, or tell who keeps that domain"))
    if not found.terms:
        return diagnoses
    names = [term.name for term in found.terms]
    terms = found.terms
    ends = [term for term in terms if term.name == "all"]
    if any(term.qualifier == "+" for term in ends) or any(_is_wide(term, 0) for term in terms):
        what = f"SPF of {found.domain} lets everybody send for it ({found.record})"
        diagnoses.append(Diagnosis(CHECK, "fail", what, _instead(found, _closed(terms))))
    elif wide := next((term for term in terms if _is_wide(term)), None):
        what = f"SPF of {found.domain} lets {wide.text} send for it, a network of many owners"
        diagnoses.append(Diagnosis(CHECK, "warn", what, "name the relay's own network"))
    if "ptr" in names:
        what = f"SPF of {found.domain} uses `ptr`, which receivers skip (RFC 7208 section 5.5)"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, [t.text for t in terms if t.name != "ptr"])))
    if "redirect" in names and ends:
        what = f"SPF of {found.domain} has redirect= beside `all`, so redirect= is never looked at"
        diagnoses.append(
            Diagnosis(CHECK, "warn", what, _instead(found, [t.text for t in terms if t.name != "redirect"]))
        )
    if not ends and "redirect" not in names:
        what = f"SPF of {found.domain} does not end with `all`: it says nothing of who may not send"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, [*(term.text for term in terms), "~all"])))
    if any(term.qualifier == "?" for term in ends):
        what = f"SPF of {found.domain} ends with ?all: it says nothing of who may not send"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, _closed(terms))))
    if ends and any(term.qualifier and term.name != "all" for term in terms[terms.index(ends[0]) :]):
        what = f"SPF of {found.domain} has terms after {ends[0].text}, which nobody reads"
        order = [term.text for term in terms if term not in ends] + [ends[0].text]
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, order)))
    return diagnoses


def _counted(found: Walk) -> list[Diagnosis]:
    """What is wrong with what it leads to."""
    diagnoses = []
    if found.lookups > LOOKUPS:
        many = f"over {TERMS}" if found.lookups > TERMS else str(found.lookups)
        what = f"SPF of {found.domain} takes {many} look-ups, and {LOOKUPS} are allowed: receivers end with an error"
        diagnoses.append(Diagnosis(CHECK, "fail", what, _flatter(found)))
    if found.void:
        lost = ", ".join(dict.fromkeys(found.void))
        result: Result = "fail" if len(found.void) > VOID else "warn"
        what = f"SPF of {found.domain}: {lost} leads to nothing ({len(found.void)} void look-ups, {VOID} are allowed)"
        kept = [term.text for term in found.terms if term.text not in found.void]
        diagnoses.append(Diagnosis(CHECK, result, what, _instead(found, kept)))
    return diagnoses


def _flatter(found: Walk) -> str:
    """How to get by with fewer look-ups: networks in place of the includes that cost most."""
    texts, left = [term.text for term in found.terms], found.lookups
    for term, (cost, networks) in sorted(found.included.items(), key=lambda pair: -pair[1][0]):
        if left > LOOKUPS and networks and term.startswith(("include:", "+include:")):
            at = texts.index(term)
            texts[at : at + 1] = [one for one in networks if one not in texts]
            left -= cost
    costly = ", ".join(f"{term} ({cost})" for term, (cost, _) in found.included.items())
    fix = f"take out what no longer sends; these cost look-ups: {costly}"
    if left > LOOKUPS or len(" ".join(texts)) > LONGEST:
        return fix
    return f"{fix}. Or name networks, and look now and then whether they have changed:\n{_instead(found, texts)}"


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
        said = await authorizes(found.domain, ipaddress.ip_address("127.0.0.1"), identity.mail_from, resolver)
        if said != "pass":
            what = f"the relay is on this machine: whether SPF of {found.domain} names its public address can't be told"
            yield Diagnosis(CHECK, "warn", what, _instead(found, _with(found.terms, ["ip4:ADDRESS-OF-THIS-MACHINE"])))
        return
    if not sources:
        reason = trouble or "it has no address"
        yield Diagnosis("relay-address", "fail", f"the relay {relay.host} can't be found: {reason}", "check [smtp] url")
        return
    said_of = await asyncio.gather(*(authorizes(found.domain, one, identity.mail_from, resolver) for one in sources))
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
    yield Diagnosis(CHECK, "fail", what, _instead(found, _with(found.terms, terms)))


async def _known(found: Walk, identity: Identity, profile: Profile, resolver: Resolver) -> Diagnosis:
    if profile.include in found.domains or await _networks_are_in(found, identity, profile, resolver):
        return Diagnosis(CHECK, "pass", f"SPF of {found.domain} lets {profile.name} send")
    fix = _instead(found, _with(found.terms, [f"include:{profile.include}"]))
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
    said = [await authorizes(found.domain, net.network_address, identity.mail_from, resolver) for net in networks]
    return bool(said) and all(one == "pass" for one in said)


def _in_its_house(found: Walk, host: str) -> bool:
    """Does the record include one of the relay's own domain, from whose networks it may well send?"""
    house = ".".join(host.split(".")[-2:])
    return any(one == house or one.endswith(f".{house}") for one in found.domains[1:])


def _is_wide(term: Term, most: int | None = None) -> bool:
    if term.name not in ("ip4", "ip6") or term.qualifier != "+":
        return False
    network = term.network
    return network.prefixlen <= (_WIDE[network.version] if most is None else most)


def _closed(terms: Sequence[Term]) -> list[str]:
    return [term.text for term in terms if term.name != "all" and not _is_wide(term, 0)] + ["~all"]


def _with(terms: Sequence[Term], added: Sequence[str]) -> list[str]:
    """The record's terms with more of them, before its end."""
    texts = [term.text for term in terms]
    end = next((at for at, term in enumerate(terms) if term.name in ("all", "redirect")), len(texts))
    return [*texts[:end], *added, *texts[end:]]


def _instead(found: Walk, terms: Sequence[str]) -> str:
    line = text_record(found.domain, " ".join(["v=spf1", *terms]))
    return zone_lines(found.domain, line, instead=f'"{found.record}"')
