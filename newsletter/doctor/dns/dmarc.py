"""DMARC: what is asked of receivers, whether our mail aligns, and where reports go (RFC 9989, 9990)."""

from collections.abc import Iterable

from newsletter.compose.message.dkim_key import text_record
from newsletter.doctor.diagnosis import Diagnosis, Result, zone_lines
from newsletter.doctor.dns.dkim import read_tags
from newsletter.doctor.dns.dmarc_record import (
    GLUED,
    KNOWN,
    POLICIES,
    REMOVED,
    SIZE,
    Policy,
    PolicyWalk,
    is_dmarc,
    mended,
    organization_of,
    report_domain,
    walk_up,
)
from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.identity import Identity

CHECK, ALIGNED, REPORTS = "dmarc", "dmarc-alignment", "dmarc-reports"
URIS = 10
"""Mailboxes for reports that are looked at; receivers write to two or so."""
NEAR = 3
_KINDS = {
    "adkim": "is neither r nor s", "aspf": "is neither r nor s", "t": "is neither y nor n",
    "psd": "is none of y, n, u", "fo": "is none of 0, 1, d, s",
}  # fmt: skip
_STARTING = "v=DMARC1; p=none; rua=mailto:dmarc-reports@{}"


async def examine_dmarc(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """The policy that holds for From's domain, what is wrong with it, and whether our mail can pass it."""
    found = await walk_up(identity.domain, resolver)
    policy = found.policy
    wrong = _unreadable(found)
    if found.trouble and policy is None:
        return [Diagnosis(CHECK, "fail", f"DMARC can't be read: {found.trouble}", "fix the domain's name servers")]
    if policy is None:
        return wrong or [await _missing(identity.domain, resolver)]
    wrong += _tags(policy)
    if not any(one.result == "fail" for one in wrong):
        wrong += _strength(policy, identity.domain, found.organization)
    if not wrong:
        above = "" if policy.domain == identity.domain else f", that of {policy.domain} above it"
        said = f"DMARC of {identity.domain} asks for p={policy.for_domain(identity.domain)}{above}"
        wrong = [Diagnosis(CHECK, "pass", said)]
    return [*wrong, *await _reports(policy, resolver), await _alignment(policy, identity, resolver)]


def _unreadable(found: PolicyWalk) -> list[Diagnosis]:
    """Records that count as none."""
    diagnoses = []
    for domain in found.several:
        what = f"_dmarc.{domain} has several DMARC records, and receivers use none of them"
        fix = f"keep one, and take the others out of the DNS of {domain}"
        diagnoses.append(Diagnosis(CHECK, "fail", what, fix))
    for domain, text in found.near[:NEAR]:
        what = f"_dmarc.{domain} is not read: it must begin with `v=DMARC1;`, and is {text[:60]!r}"
        tags = {"rua": f"mailto:dmarc-reports@{domain}"} | mended(text)
        line = text_record(f"_dmarc.{domain}", _written({"v": "DMARC1", "p": "none"} | tags))
        fix = zone_lines(domain, line, instead="it")
        if tags["p"] != "none":
            fix += "\nwith p=none to begin with, where you have read no reports yet: it was never in force"
        diagnoses.append(Diagnosis(CHECK, "fail", what, fix))
    return diagnoses


async def _missing(domain: str, resolver: Resolver) -> Diagnosis:
    line = text_record(f"_dmarc.{domain}", _STARTING.format(domain))
    for place in (f"_dmarc.{domain}.{domain}", domain, f"dmarc.{domain}"):
        if any(map(is_dmarc, (await resolver.ask(place, "TXT")).records)):
            what = f"the DMARC record stands at {place}, where nobody looks"
            return Diagnosis(CHECK, "fail", what, f"move it to _dmarc.{domain}\n{line}")
    aliases = (await resolver.ask(f"_dmarc.{domain}", "TXT")).aliases
    led = f" (_dmarc.{domain} is an alias of {aliases[-1]}, where there is none)" if aliases else ""
    what = f"{domain} has no DMARC record{led}: Gmail, Yahoo and Microsoft refuse bulk mail without one"
    return Diagnosis(CHECK, "fail", what, zone_lines(domain, line))


def _tags(policy: Policy) -> list[Diagnosis]:
    """What is wrong with the record as it is written."""
    where, diagnoses = f"_dmarc.{policy.domain}", list[Diagnosis]()

    def wrong(result: Result, what: str) -> None:
        diagnoses.append(Diagnosis(CHECK, result, f"{where} {what}", _instead(policy)))

    names = [name for name, _ in read_tags(policy.text)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        wrong("fail", f"has {', '.join(twice)} twice: receivers take either, or nothing of it")
    glued = {name: found[1] for name, value in policy.tags.items() if (found := GLUED.search(value))}
    for name, after in glued.items():
        wrong("fail", f"lacks a semicolon before {after}=, so {name}= can't be read")
    if removed := [name for name in REMOVED if name in policy.tags]:
        wrong("warn", f"has {', '.join(removed)}, which RFC 9989 took away; pct=0 became t=y")
    if any(SIZE.search(policy.value(name)) for name in ("rua", "ruf")):
        wrong("warn", "has a size behind a mailbox (`!10m`), which RFC 9989 has receivers ignore")
    for name in ("p", "sp", "np"):
        if name in policy.tags and policy.value(name) not in POLICIES and name not in glued:
            wrong("fail", f"has {name}={policy.tags[name]}, which is none of none, quarantine, reject")
    if "p" not in policy.tags:
        wrong("fail", "has no p=, so receivers are asked for nothing")
    for name in policy.wrong_values():
        if name not in glued:
            wrong("warn", f"has {name}={policy.tags[name]}, which {_KINDS[name]}")
    if unknown := [name for name in policy.tags if name not in (*KNOWN, *REMOVED)]:
        wrong("warn", f"has {', '.join(unknown)}, which nobody reads")
    if policy.value("psd") == "y" and "." in policy.domain:
        what = "says psd=y, that everybody may register names below it, as below .org: nothing aligns across them"
        diagnoses.append(Diagnosis(CHECK, "warn", f"{where} {what}", _instead(policy, psd="")))
    return diagnoses


def _strength(policy: Policy, domain: str, organization: str) -> list[Diagnosis]:
    """What a record that can be read does not ask for, and should."""
    asked = policy.for_domain(domain)
    tag = "p" if domain == policy.domain or "sp" not in policy.tags else "sp"
    if asked == "none":
        what = f"DMARC of {domain} asks for {tag}=none: bulk rules are met, and forged mail in your name still arrives"
        stronger = _instead(policy, **{tag: "quarantine"})
        return [Diagnosis(CHECK, "warn", what, f"once reports show your mail passing: {stronger}")]
    below = policy.value("sp", asked)
    for name, than, whose in (("sp", asked, "any name below it"), ("np", below, "names below it that do not exist")):
        weak = policy.value(name)
        if domain == policy.domain == organization and weak and POLICIES.index(weak) < POLICIES.index(than):
            does = "still arrives" if weak == "none" else "is asked to be treated more mildly"
            what = f"DMARC of {domain} asks for {name}={weak}: forged mail from {whose} {does}"
            return [Diagnosis(CHECK, "warn", what, _instead(policy, **{name: ""}))]
    if policy.value("t") == "y":
        what = f"DMARC of {domain} says t=y, testing: receivers apply one level less than {tag}={asked}"
        return [Diagnosis(CHECK, "warn", what, _instead(policy, t=""))]
    return []


async def _reports(policy: Policy, resolver: Resolver) -> list[Diagnosis]:
    """Whether anybody hears how our mail fares."""
    if not policy.report_uris():
        rua = mended(policy.text).get("rua", f"mailto:dmarc-reports@{policy.domain}")
        what = f"DMARC of {policy.domain} has no rua=: nobody hears what fails"
        return [Diagnosis(REPORTS, "warn", what, _instead(policy, rua=rua))]
    diagnoses = []
    for name in ("rua", "ruf"):
        for uri in policy.report_uris(name)[:URIS]:
            if wrong := await _report_fault(policy, name, uri, resolver):
                diagnoses.append(wrong)
    if not diagnoses:
        where = ", ".join(policy.report_uris())
        diagnoses.append(Diagnosis(REPORTS, "pass", f"DMARC reports of {policy.domain} go to {where}"))
    return diagnoses


async def _report_fault(policy: Policy, name: str, uri: str, resolver: Resolver) -> Diagnosis | None:
    domain = report_domain(uri)
    if not domain:
        what = f"_dmarc.{policy.domain} has {name}={uri}, which is no mailbox: no report goes there"
        meant = f"mailto:{uri}" if "@" in uri and ":" not in uri else f"mailto:dmarc-reports@{policy.domain}"
        return Diagnosis(REPORTS, "fail", what, _instead(policy, **{name: meant}))
    if await organization_of(domain, resolver) != await organization_of(policy.domain, resolver):
        place = f"{policy.domain}._report._dmarc.{domain}"
        answer = await resolver.ask(place, "TXT")
        if not any(map(is_dmarc, answer.records)):
            reason = answer.trouble or "it has no record for that"
            what = (
                f"DMARC reports of {policy.domain} go to {domain}, which has not authorised it ({reason}): none is sent"
            )
            fix = zone_lines(domain, text_record(place, "v=DMARC1"))
            return Diagnosis(REPORTS, "fail" if name == "rua" else "warn", what, fix)
    mail, addresses = await resolver.ask(domain, "MX"), (await resolver.addresses(domain))[0]
    if (mail.is_none and not addresses) or any(record.split()[-1:] == ["0"] for record in mail.records):
        what = f"DMARC reports of {policy.domain} go to {domain}, which takes no mail"
        return Diagnosis(REPORTS, "fail", what, f"name another mailbox in {name}=, or give {domain} an MX record")
    return None


async def _alignment(policy: Policy, identity: Identity, resolver: Resolver) -> Diagnosis:
    """Can our mail pass? By the return path (SPF), or by a signature's domain (DKIM)."""
    domain = identity.domain
    returned = await _aligns(policy, "aspf", domain, identity.return_domain, resolver)
    signed = [key for key in identity.keys if await _aligns(policy, "adkim", domain, key.domain, resolver)]
    replaced = identity.relays and all(profile and profile.own_return_path for _, profile in identity.profiles())
    others = sorted({key.domain for key in identity.keys} - {key.domain for key in signed})
    if signed and returned and not replaced:
        return Diagnosis(ALIGNED, "pass", f"both the return path and the signature align with {domain}")
    if signed:
        what = f"the signature of {signed[0].domain} aligns with {domain}"
        what += "" if replaced else f"; the return path, {identity.return_domain}, does not"
        return Diagnosis(ALIGNED, "pass", what)
    keys_at = f"sign for it here: `newsletter dkim generate --domain {domain}` prints what to put where"
    if returned and not replaced:
        unsigned = f"a signature of {', '.join(others)} does not align" if others else "nothing is signed here"
        what = f"the return path alone aligns with {domain}; {unsigned}: forwarded mail fails DMARC"
        return Diagnosis(ALIGNED, "warn", what, keys_at)
    names = _listed([identity.return_domain if not replaced else "the relay's return path", *others])
    strict = " (strict alignment is asked for)" if "s" in (policy.value("aspf"), policy.value("adkim")) else ""
    what = f"mail from {domain} is misaligned{strict}: SPF and DKIM speak of {names}, so DMARC fails"
    result: Result = "warn" if replaced else "fail"
    return Diagnosis(ALIGNED, result, what, f"set [smtp] mail_from to an address of {domain}, or {keys_at}")


async def _aligns(policy: Policy, tag: str, domain: str, other: str, resolver: Resolver) -> bool:
    if domain == other:
        return True
    if policy.value(tag) == "s":
        return False
    return await organization_of(domain, resolver) == await organization_of(other, resolver)


def _instead(policy: Policy, **changed: str) -> str:
    """The record with its slips mended and these tags changed; an empty one is left out."""
    text = _written(mended(policy.text) | changed)
    return zone_lines(policy.domain, text_record(f"_dmarc.{policy.domain}", text), instead=f'"{policy.text}"')


def _written(tags: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in tags.items() if value)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(name for name in names if name))
