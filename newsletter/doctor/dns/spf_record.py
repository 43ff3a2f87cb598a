"""Read an SPF record (RFC 7208 sections 4.5, 4.6 and 12): its terms, and what is wrong with how they are written.

Pure. Which of a domain's TXT records is one is decided here too; what its terms lead to is `spf_walk`'s business.
"""

import ipaddress
import re
from dataclasses import dataclass

from newsletter.doctor.identity import literal

VERSION = "v=spf1"
MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
LOOKING_UP = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
"""The terms that cost a look-up, of which there may be ten (section 4.6.4)."""

_TERM = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9._-]*)(?:([:=])(\S*?))?((?:/\d+)?(?://\d+)?)\Z")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9-]{1,63}\.?\Z")
_MACROS = re.compile(r"(?:%\{[slodiphv]\d*r?[-.+,/_=]*\}|%[%_-]|[!-$&-~])*\Z", re.IGNORECASE)
_DASHES = "\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{NON-BREAKING HYPHEN}"
_SLIPS = {"ip": "ip4", "ipv4": "ip4", "ipv6": "ip6", "includes": "include", "host": "a", "domain": "include"}


class SpfError(Exception):
    """A record that no receiver can use (permerror): `what` is wrong with it, and `hint` at how to mend it.

    `word` is the one at fault, as the record has it; `meant` what may stand in its place, empty for nothing.
    """

    def __init__(self, what: str, hint: str = "", word: str = "", meant: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.word = word
        self.meant = meant


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism with its qualifier, or a modifier (its qualifier is empty)."""

    text: str  # as it is written
    qualifier: str  # + - ~ ?
    name: str  # lower case
    value: str = ""  # a domain, a network without its length, or empty
    length4: int = 32
    length6: int = 128

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """Of `ip4` and `ip6`."""
        length = self.length4 if self.name == "ip4" else self.length6
        return ipaddress.ip_network(f"{self.value}/{length}", strict=False)


def is_spf(text: str) -> bool:
    """Is this TXT record an SPF record? (section 4.5)"""
    return text.lower() == VERSION or text.lower().startswith(VERSION + " ")


def looks_like_spf(text: str) -> bool:
    """Was it meant to be one? Quotes, a blank before, a wrong version, a semicolon after it."""
    bare = text.strip(" \t\"'").lower()
    return not is_spf(text) and bare.startswith(("v=spf", "spf1", "spf2", "v = spf", "v=sfp", "v=sp1", "v:spf"))


def read_spf(text: str) -> tuple[Term, ...]:
    """The terms of a record, in order. Raises SpfError."""
    terms = tuple(map(_term_of, text.split()[1:]))
    for name in ("redirect", "exp"):
        if sum(term.name == name and not term.qualifier for term in terms) > 1:
            again = [term.text for term in terms if term.name == name][-1]
            raise SpfError(f"{name}= stands in it twice", f"keep one {name}=", again)
    return terms


def _term_of(word: str) -> Term:
    try:
        return _term(word)
    except SpfError as error:
        meant = error.hint.removeprefix("write ") if error.hint.startswith("write ") else ""
        raise SpfError(error.what, error.hint, word, meant if _is_term(meant) else "") from None


def _is_term(text: str) -> bool:
    try:
        return bool(text) and bool(_term(text))
    except SpfError:
        return False


def _term(word: str) -> Term:
    match = _TERM.match(word)
    if not match:
        raise SpfError(f"{word!r} is no term of SPF", _hint(word))
    sign, name, separator, value, lengths = match.groups()
    name = name.lower()
    if separator == "=":
        if sign:
            raise SpfError(f"{word!r} is no term of SPF", "a modifier takes no sign")
        if name in MECHANISMS:
            raise SpfError(f"{word!r} is no term of SPF", f"write {name}:{value}")
        if name in ("redirect", "exp") and not _is_domain(value):
            raise SpfError(f"{word!r} names no domain", f"it is written {name}=spf.example.net")
        return Term(word, "", name, value)
    if name not in MECHANISMS:
        raise SpfError(f"{word!r} is no term of SPF", _hint(word))
    if name == "all" and (separator or lengths):
        raise SpfError(f"{word!r} is no term of SPF", "`all` takes nothing after it")
    if name in ("ip4", "ip6"):
        return _network(word, sign or "+", name, value or "", lengths)
    if name in ("include", "exists") and not _is_domain(value or ""):
        raise SpfError(
            f"{word!r} names no domain", f"it is written {name}:spf.example.net, without a blank or https://"
        )
    if separator and not _is_domain(value):
        address = literal(value or "")
        raise SpfError(f"{word!r} names no host", f"write ip{address.version}:{value}" if address else "")
    if lengths and name not in ("a", "mx"):
        raise SpfError(f"{word!r} is no term of SPF", f"{name} takes no /length")
    four, six = _lengths(word, lengths)
    return Term(word, sign or "+", name, value or "", four, six)


def _network(word: str, sign: str, name: str, value: str, lengths: str) -> Term:
    """`ip4:192.0.2.0/24`, `ip6:2001:db8::/32`."""
    try:
        address = ipaddress.ip_address(value)
        length = int(lengths.lstrip("/") or (32 if address.version == 4 else 128))
        ipaddress.ip_network(f"{value}/{length}", strict=False)
    except ValueError:
        raise SpfError(f"{word!r} is no network", "a host's name is written a:mail.example.org") from None
    if f"ip{address.version}" != name:
        raise SpfError(f"{word!r} is no network of its kind", f"write ip{address.version}:{value}{lengths}")
    return Term(word, sign, name, value, length, length)


def _lengths(word: str, lengths: str) -> tuple[int, int]:
    four, _, six = lengths.partition("//") if lengths else ("", "", "")
    found = int(four.lstrip("/") or 32), int(six or 128)
    if found[0] > 32 or found[1] > 128:
        raise SpfError(f"{word!r} has a length that no network has")
    return found


def _is_domain(text: str) -> bool:
    if "%" in text:
        return bool(_MACROS.match(text))
    return bool(_DOMAIN.match(text) and literal(text) is None)


def _hint(word: str) -> str:
    if (plain := word.lstrip(_DASHES)) != word and _is_term(f"-{plain}"):
        return f"write -{plain}"
    name, separator, value = word.lstrip("+-~?").partition(":")
    if (address := literal(word)) is not None:
        return f"write ip{address.version}:{word}"
    if (meant := _SLIPS.get(name.lower())) and separator:
        return f"write {meant}:{value}"
    if word.lower().startswith(("v=spf", "all")):
        return "one record holds one v=spf1, and ends with -all or ~all"
    if _is_domain(word):
        return f"write include:{word} or a:{word}; nothing may stand between the colon and the name"
    return f"the terms are {', '.join(MECHANISMS)} and redirect="
