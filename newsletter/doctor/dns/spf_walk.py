"""Follow an SPF record to its end, as receivers do (RFC 7208 sections 4.6.4, 5, 6 and 7).

`walk` reads every record that it leads to and counts look-ups, those that find nothing, and what is wrong on the way;
`authorizes` says what a receiver makes of one address. Two passes, because a receiver stops at the first match, and
tomorrow's address may be the last.
"""

import asyncio
import ipaddress
import re
from dataclasses import dataclass, field

from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.dns.spf_record import LOOKING_UP, SpfError, Term, is_spf, read_spf

LOOKUPS = 10
VOID = 2
MX_HOSTS = 10
DEPTH = 12
"""Records within records that are followed; ten look-ups end it before."""
TERMS = 60
"""Look-ups that are made of one record, however many it asks for."""

_NOBODY = ipaddress.IPv4Address("192.0.2.1")
_OF_DOMAIN = re.compile(r"(?:[^%]|%\{[do])+\Z", re.IGNORECASE)  # macros that say the same for every message
_MACRO = re.compile(r"%\{([slodivhcrt])(\d*)(r?)([-.+,/_=]*)\}|%(.)", re.IGNORECASE)
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass
class Walk:
    """What a domain's record leads to."""

    domain: str
    record: str = ""
    written: str = ""  # what stands there, where `record` is that with a slip mended
    terms: tuple[Term, ...] = ()
    lookups: int = 0
    void: list[tuple[str, str]] = field(default_factory=list)  # terms that lead to nothing, each after the one of
    # `terms` by which they are reached
    opened: list[str] = field(default_factory=list)  # of `terms`, those that lead to a record that lets everybody in
    errors: list[SpfError] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)  # all records that were read, its own first
    networks: list[str] = field(default_factory=list)  # that included records let in
    included: dict[str, tuple[int, list[str]]] = field(default_factory=dict)  # by term: its look-ups, its networks
    pointing: list[str] = field(default_factory=list)  # included domains whose records use `ptr`
    troubles: list[str] = field(default_factory=list)  # "spf.example.net: nobody answers"


async def find_spf(domain: str, resolver: Resolver) -> tuple[list[str], str]:
    """The SPF records of a domain, and why nobody could say."""
    answer = await resolver.ask(domain, "TXT")
    return [text for text in answer.records if is_spf(text)], answer.trouble


async def walk(domain: str, record: str, resolver: Resolver, written: str = "") -> Walk:
    """Read all that `record` of `domain` leads to; `written` as in Walk."""
    found = Walk(domain, record, written)
    await _read(found, domain, record, resolver, (), "")
    return found


async def _read(found: Walk, domain: str, record: str, resolver: Resolver, above: tuple[str, ...], by: str) -> None:
    """Read one record; `above` are the domains that led to it, `by` the term of the first one that did."""
    found.domains.append(domain)
    try:
        terms = read_spf(record)
    except SpfError as error:
        if above:
            what = f"the record of {domain}, which it leads to, has a fault: {error.what}"
            error = SpfError(what, f"tell {domain}", by)
        found.errors.append(error)
        return
    if not above:
        found.terms = terms
    elif any(map(lets_everybody, terms)):
        found.opened.append(by)
    if above and any(term.name == "ptr" for term in terms):
        found.pointing.append(domain)
    has_all = any(term.name == "all" for term in terms)
    for term in terms:
        if above and term.name in ("ip4", "ip6") and term.qualifier == "+":
            found.networks.append(term.text.lstrip("+"))
        if term.name not in LOOKING_UP or (term.name == "redirect" and has_all):
            continue
        before, known = found.lookups, len(found.networks)
        found.lookups += 1
        value = _expand(term.value, domain, _NOBODY, f"@{found.domain}") if _OF_DOMAIN.match(term.value) else term.value
        if "%" in value or found.lookups > TERMS:
            continue
        target = (value or domain).lower().rstrip(".")
        if term.name in ("include", "redirect"):
            await _descend(found, term, target, resolver, (*above, domain), by or term.text)
            if not above:
                found.included[term.text] = found.lookups - before, found.networks[known:]
        elif term.name != "ptr":
            await _count_hosts(found, term, target, resolver, by)


def lets_everybody(term: Term) -> bool:
    """Does the term let any address pass?"""
    if term.qualifier != "+":
        return False
    return term.name == "all" or (term.name in ("ip4", "ip6") and term.network.prefixlen == 0)


async def _descend(found: Walk, term: Term, target: str, resolver: Resolver, above: tuple[str, ...], by: str) -> None:
    if target in above:
        found.errors.append(SpfError(f"{term.text} leads round in a circle", f"take {term.text} out", by))
        return
    if len(above) > DEPTH:
        return
    records, trouble = await find_spf(target, resolver)
    if trouble:
        found.troubles.append(f"{target}: {trouble}")
    elif len(records) > 1:
        what = f"{target}, which it includes, has {len(records)} SPF records"
        found.errors.append(SpfError(what, f"tell {target}", by))
    elif not records:
        if (await resolver.ask(target, "TXT")).is_none:
            found.void.append((term.text, by))
        what = f"{target} has no SPF record, so {term.text} makes the whole record void"
        found.errors.append(SpfError(what, f"take {term.text} out, or fix its name", by))
    else:
        await _read(found, target, records[0], resolver, above, by)


async def _count_hosts(found: Walk, term: Term, target: str, resolver: Resolver, by: str) -> None:
    """`a`, `mx` and `exists`; of an included record the addresses are kept, for a record with fewer look-ups."""
    hosts = [target]
    if term.name == "mx":
        answer = await resolver.ask(target, "MX")
        if answer.trouble:
            found.troubles.append(f"{target}: {answer.trouble}")
        elif answer.is_none:
            found.void.append((term.text, by or term.text))
        elif len(answer.records) > MX_HOSTS:
            what = f"{term.text} leads to {len(answer.records)} mail hosts, and may to {MX_HOSTS}"
            found.errors.append(SpfError(what, "name their networks by ip4: and ip6: instead", by or term.text))
        hosts = [record.split()[1] for record in answer.records[:MX_HOSTS] if by and " " in record]
    for host in hosts:
        addresses, trouble = await resolver.addresses(host)
        if trouble and term.name != "mx":
            found.troubles.append(f"{target}: {trouble}")
        elif not addresses and term.name != "mx":
            found.void.append((term.text, by or term.text))
        if by and term.name != "exists" and term.qualifier == "+":
            found.networks += [_network(one, term) for one in addresses]


def _network(address: str, term: Term) -> str:
    """An address that `a` or `mx` stands for, as a term."""
    is_four = ":" not in address
    length, whole = (term.length4, 32) if is_four else (term.length6, 128)
    return f"ip{4 if is_four else 6}:{address}" + (f"/{length}" if length < whole else "")


async def authorizes(
    domain: str, address: IPAddress, sender: str, resolver: Resolver, record: str = "", left: list[int] | None = None
) -> str:
    """What SPF says of mail from `sender` that comes from `address`: pass, fail, softfail, neutral, none, or error.

    `record`: the domain's, where it is not the one in DNS; `left`: how many look-ups there still may be, in a list of
    one, because a receiver ends with an error after ten.
    """
    left = [LOOKUPS] if left is None else left
    records, trouble = ([record], "") if record else await find_spf(domain, resolver)
    if trouble or len(records) > 1:
        return "error"
    if not records:
        return "none"
    try:
        terms = read_spf(records[0])
    except SpfError:
        return "error"
    for term in terms:
        if not term.qualifier:
            continue
        met = await _is_met(term, domain, address, sender, resolver, left)
        if met is None:
            return "error"
        if met:
            return {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}[term.qualifier]
    target = next((term.value for term in terms if term.name == "redirect" and not term.qualifier), "")
    if not target:
        return "neutral"
    left[0] -= 1
    if left[0] < 0:
        return "error"
    said = await authorizes(_expand(target, domain, address, sender), address, sender, resolver, left=left)
    return "error" if said == "none" else said


async def _is_met(
    term: Term, domain: str, address: IPAddress, sender: str, resolver: Resolver, left: list[int]
) -> bool | None:
    """Does the mechanism match? None where the whole record ends in an error."""
    left[0] -= term.name in LOOKING_UP
    if left[0] < 0:
        return None
    target = _expand(term.value, domain, address, sender) or domain
    if term.name == "all":
        return True
    if term.name in ("ip4", "ip6"):
        return address in term.network
    if term.name == "include":
        said = await authorizes(target, address, sender, resolver, left=left)
        return None if said in ("none", "error") else said == "pass"
    if term.name == "exists":
        return (await resolver.ask(target, "A")).outcome == "found"
    if term.name == "a":
        return await _is_host(target, term, address, resolver)
    if term.name == "mx":
        hosts = [record.split()[1] for record in (await resolver.ask(target, "MX")).records if " " in record]
        found = await asyncio.gather(*(_is_host(host, term, address, resolver) for host in hosts[:MX_HOSTS]))
        return any(found)
    names = (await resolver.ask(address.reverse_pointer, "PTR")).records[:MX_HOSTS]
    ours = [name for name in names if name == target or name.endswith(f".{target}")]
    return any([str(address) in (await resolver.addresses(name))[0] for name in ours])


async def _is_host(host: str, term: Term, address: IPAddress, resolver: Resolver) -> bool:
    answer = await resolver.ask(host, "A" if address.version == 4 else "AAAA")
    length = term.length4 if address.version == 4 else term.length6
    return any(address in ipaddress.ip_network(f"{found}/{length}", strict=False) for found in answer.records)


def _expand(text: str, domain: str, address: IPAddress, sender: str) -> str:
    """A domain with its macros filled in (section 7)."""
    if "%" not in text:
        return text.lower().rstrip(".")
    local, _, host = sender.rpartition("@")
    dotted = str(address) if address.version == 4 else ".".join(address.exploded.replace(":", ""))
    values = {
        "s": sender, "l": local, "o": host, "d": domain, "i": dotted, "h": domain,
        "v": "in-addr" if address.version == 4 else "ip6",
    }  # fmt: skip

    def fill(match: re.Match[str]) -> str:
        if match[5]:
            return {"%": "%", "_": " ", "-": "%20"}.get(match[5], "")
        parts = re.split(f"[{re.escape(match[4] or '.')}]", values.get(match[1].lower(), ""))
        parts = parts[::-1] if match[3] else parts
        return ".".join(parts[-int(match[2]) :] if match[2] and int(match[2]) else parts)

    return _MACRO.sub(fill, text).lower().rstrip(".")
