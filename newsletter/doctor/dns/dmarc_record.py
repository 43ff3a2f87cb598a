"""Read DMARC records, and find the one that holds for a domain (RFC 9989 sections 4.7 and 4.10).

The policy's domain is found by a walk up the tree of names, without a list of public suffixes; so is the organisational
domain, by which domains align. What a policy is worth is `dmarc`'s business.
"""

import difflib
import re
from dataclasses import dataclass, field

from newsletter.doctor.dns.dkim import read_tags
from newsletter.doctor.dns.resolver import Resolver

LABELS = 8
"""A longer name is cut to one label less before the walk goes on."""
POLICIES = ("none", "quarantine", "reject")
KNOWN = ("v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "rua", "ruf")
REMOVED = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 took away."""
_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(?:;|\Z)")
_VALUES = {
    **dict.fromkeys(("adkim", "aspf"), re.compile(r"[rs]\Z")),
    "t": re.compile(r"[yn]\Z"),
    "psd": re.compile(r"[ynu]\Z"),
    "fo": re.compile(r"[01ds](?::[01ds])*\Z"),
}
"""What the values of short tags may be (section 4.8)."""
SIZE = re.compile(r"![0-9]+[kmgt]?(?=\s*(?:,|\Z))", re.IGNORECASE)
"""The largest report that a mailbox takes, as RFC 7489 had it."""
GLUED = re.compile(rf"\s({'|'.join((*KNOWN, *REMOVED))})\s*=", re.IGNORECASE)
"""A tag within a value: the semicolon before it is missing."""
_BETWEEN = re.compile(rf"\\*[;,]?\s+(?=(?:{'|'.join((*KNOWN, *REMOVED))})\s*[=:])|\\*;", re.IGNORECASE)
_URI = re.compile(r"mailto:[^\s@,!]+@([^\s@,!?]+)(?:![0-9]+[kmgt]?)?(?:\?.*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Policy:
    """A domain's DMARC record."""

    domain: str
    text: str
    tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, domain: str, text: str) -> "Policy":
        return cls(domain, text, dict(read_tags(text)))

    def value(self, name: str, default: str = "") -> str:
        """A tag's value, in lower case where it is a word."""
        value = self.tags.get(name, default)
        return value if name in ("rua", "ruf") else value.lower()

    @property
    def request(self) -> str:
        """`p=`, or none where it is missing or no word (section 4.7)."""
        return self.value("p") if self.value("p") in POLICIES else "none"

    def for_domain(self, domain: str, *, exists: bool = True) -> str:
        """What receivers are asked to do with mail from `domain`."""
        if domain == self.domain:
            return self.request
        sub = self.value("sp") if self.value("sp") in POLICIES else self.request
        return sub if exists or self.value("np") not in POLICIES else self.value("np")

    def wrong_values(self) -> list[str]:
        """The short tags whose value is none that is known."""
        return [name for name, value in _VALUES.items() if name in self.tags and not value.match(self.value(name))]

    def report_uris(self, name: str = "rua") -> list[str]:
        """Where reports go, as written."""
        return [uri.strip() for uri in self.value(name).split(",") if uri.strip()]


def mended(text: str) -> dict[str, str]:
    """The tags that a record means, however it is written; what nobody reads is left out."""
    tags: dict[str, str] = {}
    for part in _BETWEEN.split(re.sub(r"[\"']", "", text)):
        name, value, *_ = *re.split(r"\s*[=:]\s*", part.strip(), maxsplit=1), ""
        if name.lower() == "mailto" and (last := next((one for one in ("ruf", "rua") if one in tags), "")):
            tags[last] += f",mailto:{value}"
        elif value:
            tags.setdefault(name.lower(), value.strip())
    found = {"v": "DMARC1", "p": _meant(tags.get("p", ""))}
    found |= {name: _meant(tags[name]) for name in ("sp", "np") if name in tags}
    found |= {name: SIZE.sub("", tags[name]) for name in ("rua", "ruf") if name in tags}
    found |= {name: tags[name].lower() for name, known in _VALUES.items() if known.match(tags.get(name, "").lower())}
    found |= {name: "r" for name in ("adkim", "aspf") if name in tags and name not in found}
    if tags.get("pct", "100") != "100":
        found.setdefault("t", "y")
    return found


def _meant(policy: str) -> str:
    """The policy that a slip of it means; none where that can't be told."""
    return next(iter(difflib.get_close_matches(policy.lower(), POLICIES, 1, 0.75)), "none")


def report_domain(uri: str) -> str:
    """The domain of a report's mailbox; empty for what is none."""
    match = _URI.match(uri)
    return match[1].lower().rstrip(".") if match else ""


def is_dmarc(text: str) -> bool:
    """Is this TXT record a DMARC record?"""
    return bool(_VERSION.match(text))


def looks_like_dmarc(text: str) -> bool:
    """Was it meant to be one?"""
    bare = re.sub(r"[\s\"']", "", text).lower()
    return not is_dmarc(text) and (bare.startswith(("v=dmarc", "dmarc1", "v=dmac", "v=dmarc1")) or ";v=dmarc1" in bare)


@dataclass(frozen=True, slots=True)
class PolicyWalk:
    """The outcome of a walk from `start`: each domain's one record, nearest first."""

    start: str
    policies: tuple[Policy, ...]
    several: tuple[str, ...] = ()  # domains with more records than one, which count as none
    near: tuple[tuple[str, str], ...] = ()  # domains and what was meant to be a record there
    trouble: str = ""

    @property
    def policy(self) -> Policy | None:
        """The one that holds for `start`: its own, else that of its organisational domain."""
        by_domain = {policy.domain: policy for policy in self.policies}
        return by_domain.get(self.start) or by_domain.get(self.organization)

    @property
    def organization(self) -> str:
        """The organisational domain (section 4.10.2)."""
        for policy in self.policies:
            if policy.value("psd") == "n":
                return policy.domain
            if policy.value("psd") == "y" and policy.domain != self.start:
                labels = self.start.split(".")
                return ".".join(labels[-len(policy.domain.split(".")) - 1 :])
        return self.policies[-1].domain if self.policies else self.start


async def walk_up(domain: str, resolver: Resolver) -> PolicyWalk:
    """The records of a domain and of those above it."""
    start = domain.lower().rstrip(".")
    labels = start.split(".")
    policies, several, near = list[Policy](), list[str](), list[tuple[str, str]]()
    trouble = ""
    while labels:
        name = ".".join(labels)
        answer = await resolver.ask(f"_dmarc.{name}", "TXT")
        trouble = trouble or (f"_dmarc.{name}: {answer.trouble}" if answer.trouble else "")
        records = [text for text in answer.records if is_dmarc(text)]
        near += [(name, text) for text in answer.records if looks_like_dmarc(text)]
        if len(records) > 1:
            several.append(name)
        elif records:
            policies.append(Policy.of(name, records[0]))
            if policies[-1].value("psd") in ("y", "n"):
                break
        labels = labels[-(LABELS - 1) :] if len(labels) >= LABELS else labels[1:]
    return PolicyWalk(start, tuple(policies), tuple(several), tuple(near), trouble)


async def organization_of(domain: str, resolver: Resolver) -> str:
    """The organisational domain of any domain."""
    return (await walk_up(domain, resolver)).organization
