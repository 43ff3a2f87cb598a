"""What stands behind MAIL FROM: and RCPT TO: in a command of SMTP (RFC 5321 section 4.1.2), and whether it is taken.

Pure. Whatever a program may send is taken where it can be made out: the test inbox shows mail, it judges none.
"""

import re
from dataclasses import dataclass

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = rf"<({_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}})*)>"
_USUAL = {
    "FROM": re.compile(rf"{_PLAIN}((?: RET=HDRS| RET=FULL| ENVID=[!-~]{{1,100}})*)\Z"),
    "TO": re.compile(rf"{_PLAIN}((?: NOTIFY=[A-Z,]{{5,21}})?)\Z"),
}
_PATH = re.compile(r'<(?:@[^:<>"]*:)?((?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>|([^\s<>"]+)')
_BARE = re.compile(r"[^\s@]+(?:@[^\s@]+)?\Z|\"(?:[^\"\\]|\\.)*\"@[^\s@]+\Z")
_MAIL = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"})
_RCPT = frozenset({"NOTIFY", "ORCPT"})
"""Parameters that real relays take too; those for delivery reports (RFC 3461) are ignored."""


@dataclass(frozen=True, slots=True)
class Path:
    """An address, empty for the null sender, and the parameters behind it."""

    address: str
    parameters: tuple[str, ...] = ()


def read_path(argument: str, keyword: str, max_size: int) -> Path | str:
    """The path behind `keyword` (`FROM` or `TO`); else the reply that refuses it, for a parameter too."""
    name, colon, rest = argument.partition(":")
    usage = "MAIL FROM:<address>" if keyword == "FROM" else "RCPT TO:<address>"
    if not colon or name.strip().upper() != keyword:
        return f"501 5.5.4 Syntax: {usage}"
    rest = rest.strip()
    if usual := _USUAL[keyword].match(rest):
        return Path(usual[1], tuple(usual[2].split()))
    found = _PATH.match(rest)
    if found is None:
        return f"501 5.5.4 Syntax: {usage}"
    address = found[1] if found[2] is None else found[2]
    if (address and not _BARE.match(address)) or (not address and keyword == "TO"):
        return f"553 5.1.3 Error: malformed address in {usage}"
    parameters = tuple(rest[found.end() :].split())
    known = _MAIL if keyword == "FROM" else _RCPT
    for parameter in parameters:
        word, _, value = parameter.partition("=")
        if word.upper() not in known:
            return f"555 5.5.4 {usage.partition(':')[0]} parameters not recognized or not implemented"
        if word.upper() == "SIZE" and (not value.isascii() or not value.isdigit()):
            return f"501 5.5.4 Syntax: {usage} SIZE=bytes"
        if word.upper() == "SIZE" and int(value[:20]) > max_size:
            return f"552 5.3.4 the message is larger than {max_size} bytes"
    return Path(address, parameters)
