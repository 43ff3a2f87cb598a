"""MX and PTR: can people, and servers, write back; and does the relay's address have a name? (RFC 5321, 7505, 1912)"""

import asyncio
import ipaddress
import socket

from newsletter.doctor.diagnosis import Diagnosis, Result, zone_lines
from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.dns.sources import IPSource, sources_of
from newsletter.doctor.identity import Identity, literal
from newsletter.doctor.known_domains import freemail
from newsletter.smtp.relay import Relay

PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
"""Addresses that nobody outside can reach."""
HOSTS = 20
"""Of a domain's mail hosts, or an address's names, as many are looked at."""


async def examine_from(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """Is From's domain there, and is it ours?"""
    domain = identity.domain
    if domain in freemail():
        own = any(profile and profile.freemail for _, profile in identity.profiles())
        what = f"From is an address at {domain}, where anybody may have one"
        if own:
            what += "; its own relay may send from it, a few hundred messages a day"
        else:
            what += ": its DMARC policy has mail from other relays refused, and so do Gmail's and Yahoo's rules"
        fix = "use a domain of your own in [newsletter] author, and [newsletter] reply_to for the mailbox that you read"
        return [Diagnosis("from", "warn" if own else "fail", what, fix)]
    answer, alias = await asyncio.gather(resolver.ask(domain, "SOA"), resolver.ask(domain, "CNAME"))
    if alias.outcome == "found":
        what = f"From's domain {domain} is an alias (CNAME) of {alias.records[0]}, which hides its own SPF and MX"
        fix = f"give it an A record in place of the alias\n{domain}. IN A YOUR-WEB-ADDRESS"
        return [Diagnosis("from", "fail", what, fix)]
    if answer.outcome == "missing":
        what = f"From's domain {domain} does not exist (NXDOMAIN): mail from it is refused everywhere"
        return [Diagnosis("from", "fail", what, "check [newsletter] author, and whether the domain was renewed")]
    if answer.outcome == "trouble":
        what = f"From's domain {domain} can't be asked for: {answer.trouble}"
        return [Diagnosis("from", "fail", what, f"fix the name servers of {domain}, or ask who keeps them")]
    return [
        Diagnosis("from", "pass", f"From's domain {domain} is there, and is not one where anybody may have an address")
    ]


async def examine_mx(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """Do the domains that people and servers answer to take mail?"""
    roles: dict[str, list[str]] = {}
    named = (("From", identity.author), ("Reply-To", identity.reply_to), ("the return path", identity.mail_from))
    for role, address in (*named, ("[unsubscribe] mailto", identity.unsubscribe)):
        if address:
            roles.setdefault(address.rpartition("@")[2], []).append(role)
    found = await asyncio.gather(*(_mail_of(domain, " and ".join(used), resolver) for domain, used in roles.items()))
    return [one for group in found for one in group]


async def _mail_of(domain: str, role: str, resolver: Resolver) -> list[Diagnosis]:
    answer = await resolver.ask(domain, "MX")
    whose = f"{domain} ({role})"
    line = zone_lines(domain, f"{domain}. IN MX 10 YOUR-MAIL-HOST.")
    if answer.outcome == "trouble":
        what = f"the MX records of {whose} can't be read: {answer.trouble}"
        return [Diagnosis("mx", "fail", what, f"fix the name servers of {domain}")]
    hosts = sorted((int(pair[0]), pair[1] if len(pair) > 1 else "") for pair in map(str.split, answer.records))[:HOSTS]
    if any(not host for _, host in hosts):
        beside = " beside others, which is void" if len(hosts) > 1 else ""
        what = f"{whose} has a null MX{beside}: it says that it takes no mail, and many refuse mail from such a domain"
        return [Diagnosis("mx", "fail", what, f'take "{domain}. IN MX 0 ." out\n{line}')]
    if not hosts:
        return [await _without_mx(domain, whose, line, resolver)]
    faults = [fault for fault in await asyncio.gather(*(_fault(host, resolver) for _, host in hosts)) if fault]
    if faults:
        worst: Result = "fail" if len(faults) == len(hosts) or any("no host" in fault for fault in faults) else "warn"
        what = f"the MX of {whose}: {'; '.join(faults)}"
        return [Diagnosis("mx", worst, what, f"name a host that has an address of its own\n{line.splitlines()[-1]}")]
    return [Diagnosis("mx", "pass", f"{whose} takes mail at {', '.join(host for _, host in hosts)}")]


async def _without_mx(domain: str, whose: str, line: str, resolver: Resolver) -> Diagnosis:
    addresses, _ = await resolver.addresses(domain)
    if addresses:
        what = f"{whose} has no MX record; mail goes to its web address, {addresses[0]}, if anything listens there"
        return Diagnosis("mx", "warn", what, line)
    what = f"{whose} has neither MX nor address: nobody can write there, and many refuse mail from such a domain"
    return Diagnosis("mx", "fail", what, line)


async def _fault(host: str, resolver: Resolver) -> str:
    """What is wrong with a mail host; empty for a good one."""
    if literal(host) is not None:
        return f"{host} is an address, and no host name"
    alias = await resolver.ask(host, "CNAME")
    if alias.outcome == "found":
        return f"{host} is an alias (CNAME), which an MX must not name"
    addresses, trouble = await resolver.addresses(host)
    if not addresses:
        return f"{host} has no address ({trouble})" if trouble else f"{host} has no address"
    if all(_is_unreachable(ipaddress.ip_address(one)) for one in addresses):
        return f"{host} has a private address, {addresses[0]}, which nobody outside reaches"
    return ""


async def examine_ptr(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """Do the addresses of a relay of one's own have names that lead back to them?"""
    diagnoses = []
    for relay, profile in identity.profiles():
        if profile is not None:
            what = f"the names of its addresses (PTR) are the business of {profile.name}"
            diagnoses.append(Diagnosis("ptr", "skip", what))
        else:
            diagnoses += await _names_of(relay, resolver)
    return diagnoses


async def _names_of(relay: Relay, resolver: Resolver) -> list[Diagnosis]:
    sources, trouble = await sources_of(relay, resolver)
    if not sources and relay.is_loopback:
        return [Diagnosis("ptr", "skip", f"the relay's name (PTR) can't be asked for: {trouble}")]
    if not sources:
        what = f"the relay {relay.host} has no address in DNS"
        return [Diagnosis("ptr", "fail", what, "check [smtp] url")]
    host = socket.getfqdn() if relay.is_loopback else relay.host
    return [await _name_of(host, one, resolver) for one in sources]


async def _name_of(host: str, address: IPSource, resolver: Resolver) -> Diagnosis:
    if any(address.version == net.version and address in net for net in PRIVATE):
        return Diagnosis(
            "ptr", "skip", f"{host} has a private address, {address}; the one that others see is not known"
        )
    answer = await resolver.ask(address.reverse_pointer, "PTR")
    wanted = host if literal(host) is None else "mail.YOUR-DOMAIN"
    fix = f"have whoever gave you the address set\n{address.reverse_pointer}. IN PTR {wanted}."
    if answer.outcome == "trouble":
        return Diagnosis("ptr", "fail", f"the name (PTR) of {address} can't be asked for: {answer.trouble}", fix)
    if answer.is_none:
        what = f"the relay's address {address} has no name (PTR): Gmail and others refuse its mail"
        return Diagnosis("ptr", "fail", what, fix)
    for name in answer.records[:HOSTS]:
        if str(address) in (await resolver.addresses(name))[0]:
            if _is_generic(name, str(address)):
                what = f"{address} is called {name}, like a household's line: many servers refuse such"
                return Diagnosis("ptr", "warn", what, fix)
            return Diagnosis("ptr", "pass", f"{address} is called {name}, and {name} is {address}")
    name = answer.records[0]
    what = f"{address} is called {name} (PTR), and {name} is not {address} (mismatch): Gmail and others refuse its mail"
    kind = "A" if address.version == 4 else "AAAA"
    if literal(name) is None:
        fix += f"\nor, where {name} is yours:\n{name}. IN {kind} {address}"
    return Diagnosis("ptr", "fail", what, fix)


def _is_generic(name: str, address: str) -> bool:
    digits = address.split(".")
    return len(digits) == 4 and any(mark.join(order) in name for mark in ".-" for order in (digits, digits[::-1]))


def _is_unreachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_loopback or any(address.version == net.version and address in net for net in PRIVATE)
