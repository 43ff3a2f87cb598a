"""What is good to have beside: MTA-STS (RFC 8461), TLS reports (RFC 8460), BIMI, and DNS lists where asked for."""

import asyncio
import re

from newsletter.compose.message.dkim_key import text_record
from newsletter.doctor.diagnosis import Diagnosis, zone_lines
from newsletter.doctor.dns.dkim import read_tags
from newsletter.doctor.dns.dmarc_record import walk_up
from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.dns.sources import sources_of
from newsletter.doctor.identity import Identity
from newsletter.doctor.web import fetch

_REPORT_URI = re.compile(r"(?:mailto:[^\s@]+@[^\s@]+\.[^\s@]+|https://[^\s/]+\.\S+)\Z")
BIMI_SELECTOR = "default"
PORT = ""
"""Of the policy's server, as `:443`: the standard one, but in tests."""


async def examine_transport(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """Whether others know that mail to us (replies, bounces) comes over TLS, and tell us where it does not."""
    domain = identity.domain
    sts, reports = await asyncio.gather(_mta_sts(domain, resolver), _tls_reports(domain, resolver))
    return [sts, reports]


async def _mta_sts(domain: str, resolver: Resolver) -> Diagnosis:
    check, place = "mta-sts", f"_mta-sts.{domain}"
    answer = await resolver.ask(place, "TXT")
    line = text_record(place, "v=STSv1; id=20260101")
    records = [text for text in answer.records if text.lower().replace(" ", "").startswith("v=stsv1")]
    if answer.trouble:
        return Diagnosis(check, "warn", f"{place} can't be read: {answer.trouble}", "fix the domain's name servers")
    if not records:
        found = f", but {answer.records[0][:60]!r}" if answer.records else ""
        what = f"{domain} has no MTA-STS record{found}: replies and bounces may come without TLS (optional)"
        policy = f"and serve the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt"
        return Diagnosis(check, "warn", what, f"{zone_lines(domain, line)}\n{policy}")
    tags = dict(read_tags(records[0]))
    if len(records) > 1 or not re.fullmatch(r"[A-Za-z0-9]{1,32}", tags.get("id", "")) or tags.get("v") != "STSv1":
        why = "several records" if len(records) > 1 else "it needs v=STSv1 and an id of letters and digits"
        return Diagnosis(check, "fail", f"{place} is not read: {why}", zone_lines(domain, line, instead="it"))
    addresses, trouble = await resolver.addresses(f"mta-sts.{domain}")
    if not addresses:
        what = f"{place} promises a policy, and mta-sts.{domain}, which has to serve it, has no address"
        return Diagnosis(
            check,
            "fail",
            what + (f" ({trouble})" if trouble else ""),
            f"give mta-sts.{domain} one, or take the record out",
        )
    response = await fetch("GET", f"https://mta-sts.{domain}{PORT}/.well-known/mta-sts.txt", address=addresses[0])
    wrong = response.trouble or ("" if response.status == 200 else f"is answered with {response.status}, not with 200")
    wrong = wrong or await _policy_fault(response.text, domain, resolver)
    if wrong:
        return Diagnosis(check, "fail", f"the MTA-STS policy of {domain} {wrong}", "fix it, or take the record out")
    mode = dict(_policy_lines(response.text)).get("mode", "")
    return Diagnosis(check, "pass", f"{domain} has an MTA-STS policy (mode {mode})")


async def _policy_fault(text: str, domain: str, resolver: Resolver) -> str:
    lines = _policy_lines(text)
    values = dict(lines)
    if values.get("version") != "STSv1" or values.get("mode") not in ("enforce", "testing", "none"):
        return "lacks version: STSv1 or a mode: enforce, testing or none"
    if not values.get("max_age", "").isdigit():
        return "lacks max_age"
    allowed = [value.lower() for name, value in lines if name == "mx"]
    hosts = [record.split()[1] for record in (await resolver.ask(domain, "MX")).records if " " in record]
    out = [host for host in hosts if not any(_matches(host, pattern) for pattern in allowed)]
    return f"does not name the mail host {out[0]}: mail to it is refused" if out and values["mode"] != "none" else ""


def _policy_lines(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in text.splitlines())
    return [(name.strip().lower(), value.strip()) for name, separator, value in pairs if separator]


def _matches(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])


async def _tls_reports(domain: str, resolver: Resolver) -> Diagnosis:
    check, place = "tls-rpt", f"_smtp._tls.{domain}"
    answer = await resolver.ask(place, "TXT")
    line = text_record(place, f"v=TLSRPTv1; rua=mailto:tls-reports@{domain}")
    if answer.trouble:
        return Diagnosis(check, "warn", f"{place} can't be read: {answer.trouble}", "fix the domain's name servers")
    records = [text for text in answer.records if text.lower().replace(" ", "").startswith("v=tlsrptv1")]
    if not records:
        found = f", but {answer.records[0][:60]!r}" if answer.records else ""
        what = f"{domain} has no TLS-RPT record{found}: nobody tells you when mail to you fails over TLS (optional)"
        return Diagnosis(check, "warn", what, zone_lines(domain, line, instead="it" if found else ""))
    uris = dict(read_tags(records[0])).get("rua", "").split(",")
    if len(records) > 1 or not all(_REPORT_URI.match(uri.strip()) for uri in uris):
        why = "several records" if len(records) > 1 else "rua= names neither a mailbox (mailto:) nor https://"
        return Diagnosis(check, "fail", f"{place} is not read: {why}", zone_lines(domain, line, instead="it"))
    return Diagnosis(check, "pass", f"TLS reports of {domain} go to {', '.join(uris)}")


async def examine_bimi(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """Could a logo be shown beside our mail? Needs a policy that is enforced."""
    check, domain = "bimi", identity.domain
    place = f"{BIMI_SELECTOR}._bimi.{domain}"
    answer, found = await asyncio.gather(resolver.ask(place, "TXT"), walk_up(domain, resolver))
    policy = found.policy
    enforced = policy is not None and policy.for_domain(domain) in ("quarantine", "reject") and policy.value("t") != "y"
    records = [text for text in answer.records if text.lower().replace(" ", "").startswith("v=bimi1")]
    if not records:
        ready = "ready for it" if enforced else "not ready for it before DMARC asks for quarantine or reject"
        line = text_record(place, f"v=BIMI1; l=https://{domain}/logo.svg; a=https://{domain}/certificate.pem")
        what = f"{domain} has no BIMI record, a logo beside its mail (optional), and is {ready}"
        return [Diagnosis(check, "skip", what, zone_lines(domain, line) if enforced else "")]
    tags = dict(read_tags(records[0]))
    if len(records) > 1:
        what = f"{place} has {len(records)} BIMI records, and nobody shows a logo then"
        return [Diagnosis(check, "fail", what, f"keep one, and take the others out of the DNS of {domain}")]
    if not enforced:
        what = f"{place} is not looked at while DMARC of {domain} asks for none"
        return [Diagnosis(check, "warn", what, "let DMARC ask for quarantine or reject first")]
    if not tags.get("l"):
        what = f"{place} has no l=, the logo's address: it says that there is none to show"
        line = text_record(place, f"v=BIMI1; l=https://{domain}/logo.svg; a=https://{domain}/certificate.pem")
        return [Diagnosis(check, "warn", what, zone_lines(domain, line, instead="it"))]
    for name in ("l", "a"):
        if tags.get(name) and not tags[name].startswith("https://"):
            what = f"{place} has {name}={tags[name]}, which is no https address"
            return [Diagnosis(check, "fail", what, f"write {name}=https://…")]
    if not tags["l"].lower().endswith((".svg", ".svgz")):
        return [Diagnosis(check, "fail", f"{place}: the logo {tags['l']} is no SVG", "give an SVG Tiny PS file")]
    if not tags.get("a"):
        what = f"{place} has no a=, the certificate that Gmail and Apple ask for"
        return [Diagnosis(check, "warn", what, "get a VMC or CMC certificate, and name it in a=")]
    return [Diagnosis(check, "pass", f"{domain} has a BIMI record, and a policy that is enforced")]


async def examine_lists(identity: Identity, zones: tuple[str, ...], resolver: Resolver) -> list[Diagnosis]:
    """Whether the relay's addresses or our domains stand on the DNS lists that `[doctor] lists` names (RFC 5782)."""
    subjects: dict[str, str] = {domain: domain for domain in (identity.domain, identity.return_domain)}
    for relay, profile in identity.profiles():
        if profile is None:
            for address in (await sources_of(relay, resolver))[0]:
                subjects[str(address)] = address.reverse_pointer.rsplit(".", 2)[0]
    asked = [(subject, name, zone.strip(".")) for zone in zones for subject, name in subjects.items()]
    answers = await asyncio.gather(*(resolver.ask(f"{name}.{zone}", "A") for _, name, zone in asked))
    diagnoses, troubles = [], dict[str, str]()
    for (subject, name, zone), answer in zip(asked, answers, strict=True):
        if any(code.startswith("127.255.255.") for code in answer.records) or answer.trouble:
            troubles[zone] = answer.trouble or "it refuses to answer this name server; use one of your own"
        elif not all(code.startswith("127.") for code in answer.records):
            troubles[zone] = f"{answer.records[0]} is no answer of a list; the name server makes answers up"
        elif answer.records:
            words = (await resolver.ask(f"{name}.{zone}", "TXT")).records
            what = f"{subject} stands on {zone} ({', '.join(answer.records)}){': ' + words[0] if words else ''}"
            diagnoses.append(Diagnosis("lists", "fail", what, f"see the pages of {zone} for why, and how to leave it"))
    diagnoses += [
        Diagnosis("lists", "warn", f"{zone} gives no answer: {why}", "see [doctor] lists")
        for zone, why in troubles.items()
    ]
    if not diagnoses:
        what = f"neither {' nor '.join(subjects)} stands on {', '.join(zones)}" if zones else "no DNS list is asked"
        fix = "" if zones else 'to ask some: [doctor] lists = ["zen.spamhaus.org"]'
        diagnoses.append(Diagnosis("lists", "pass" if zones else "skip", what, fix))
    return diagnoses
