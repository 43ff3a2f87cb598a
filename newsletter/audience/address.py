"""Addresses that may stand in an envelope.

Plain ASCII addresses are accepted by a pattern that is narrower than the standard; where it is in doubt,
email-validator decides (strict, no DNS). Beyond it, what two programs might read in two ways, or a person take for
something else, is refused: quoted local parts, comments and source routes (RFC 5321 section 4.1.2), characters that
can't be seen, and words of mixed scripts (Unicode Technical Standard 39, section 5.2, "highly restrictive").
"""

import re
import unicodedata
from collections.abc import Sequence

from newsletter.errors import NewsletterError

_PATTERN = (
    r"([A-Za-z0-9_+][A-Za-z0-9_+-]*+(?:\.[A-Za-z0-9_+-]++)*+)@"
    r"((?:[A-Za-z0-9](?!.?--)(?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"(?!(?i:arpa|invalid|local|localhost|onion)\Z)[A-Za-z]{2,24})\Z"
)
_PLAIN = re.compile(_PATTERN).match
_NORMAL = (
    r"(?=.{3,64}$)[a-z0-9_+][a-z0-9_+-]*+(?:\.[a-z0-9_+-]++)*+@"
    r"(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)++(?!(?:arpa|invalid|local|localhost|onion)$)[a-z]{2,24}$"
)  # narrower than `_PATTERN`, and never read twice
is_normal = re.compile(_NORMAL).fullmatch
"""Whether a text is an address as `normalize_address` gives it, and its own key; many are that it says no to."""
_LINES = re.compile(rf"(?:{_NORMAL}\n)*+", re.MULTILINE).fullmatch
_ALIKE = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that stand beside one another in ordinary words."""

UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]+")
"""What spreadsheets and web pages leave round a text, unseen; within an address it is refused."""

_UNSEEN_AROUND = re.compile(rf"\A(?:\s|{UNSEEN.pattern})+|(?:\s|{UNSEEN.pattern})+\Z")
_MAILBOX = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"<>,;:@]*?))\s*<([^<>]*)>\Z')


def normalize_address(text: str) -> str:
    """`text` as it is mailed to: without white space and the like around it, its domain in lower-case ASCII (punycode).

    Raises ValueError with the reason in plain words, naming the address.
    """
    address = text.strip()
    match = _PLAIN(address)
    if match and len(address) <= 254 and match.end(1) <= 64:
        domain = match[2]
        return address if domain.islower() else f"{match[1]}@{domain.lower()}"
    bare = _UNSEEN_AROUND.sub("", address)
    return _validate(address) if bare == address else normalize_address(bare)


def are_normal(texts: Sequence[str]) -> bool:
    """`is_normal` of all of them: asked at once, in half the time."""
    lines = "\n".join(texts) + "\n"
    return lines.count("\n") == len(texts) and _LINES(lines) is not None


def address_key(address: str) -> str:
    """The key under which one person is one: `Ada@Example.org` is `ada@example.org`."""
    return address.lower() if address.isascii() else address.casefold()


def needs_smtputf8(address: str) -> bool:
    """Does mailing to this address need a relay that offers SMTPUTF8 (RFC 6531)?"""
    return not address.isascii()


def ascii_domain(domain: str) -> str:
    """An international domain as DNS has it, by IDNA 2008 as browsers read it (`straße` is no `strasse`).

    Raises UnicodeError.
    """
    if domain.isascii():
        return domain
    import idna  # its tables are large, and few domains need them

    return idna.encode(domain, uts46=True).decode("ascii")


def split_mailbox(text: str, name: str = "address") -> tuple[str, str]:
    """`Ada Moreau <ada@example.org>`, or the address alone, as its name (maybe empty) and its address.

    `name` says where it stands, for the NewsletterError that it raises.
    """
    text = text.strip()
    match = _MAILBOX.match(text)
    quoted, plain, address = match.groups() if match else (None, "", text)
    display = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
    if unseen := _unseen(display):
        raise NewsletterError(f"{name}: the name holds {unseen}, which can't be seen; take it out")
    try:
        return display.strip(), normalize_address(address)
    except ValueError as error:
        hint = "write it as 'Ada Moreau <ada@example.org>'"
        if "<" in text and "," in text:
            hint = """a name with a comma needs quotes: '"Moreau, Ada" <ada@example.org>'"""
        raise NewsletterError(f"{name}: {error}; {hint}") from None


def _validate(address: str) -> str:
    """`address` as email-validator has it, or the reason why not."""
    shown = repr(address if len(address) <= 80 else address[:77] + "...")
    if reason := _plain_reason(address, shown):
        raise ValueError(reason)
    import email_validator

    local, _, domain = address.rpartition("@")
    trial = domain.lower() == "localhost"  # reserved, and what a server on this machine is tried with
    try:
        valid = email_validator.validate_email(
            f"{local}@example.org" if trial else address,
            check_deliverability=False,
            strict=True,
            test_environment=True,  # .test, reserved likewise
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"{shown}: {str(error).rstrip('.')}") from None
    for word in (valid.local_part, *valid.domain.split(".")):
        if mixed := _mixed_scripts(word):
            raise ValueError(f"{shown}: {word!r} mixes {mixed} letters, which look alike")
    return f"{valid.local_part}@{'localhost' if trial else valid.ascii_domain}"


def _plain_reason(address: str, shown: str) -> str:
    """Why `address` is none, in the words of whoever typed it; empty if that needs a closer look."""
    if not address:
        return "the address is empty"
    if unseen := _unseen(address):
        return f"{shown} holds {unseen}, which can't be seen"
    if "@" not in address:
        return f"no '@' in {shown}"
    if address.startswith("@"):
        return f"nothing stands before the '@' in {shown}"
    if "<" in address or address.lower().startswith("mailto:"):
        return f"{shown} is more than an address"
    if '"' in address or "(" in address:
        return f"a quoted part or a comment in {shown}"
    if address.count("@") > 1 or "," in address or ";" in address:
        return f"{shown} is more than one address"
    if any(map(str.isspace, address)):
        return f"a space in {shown}"
    if address.startswith("-"):
        return f"{shown} begins with '-'"
    return ""


def _unseen(text: str) -> str:
    """The first control, format or line-separating character of `text`, as `U+202E`; empty if there is none."""
    if text.isprintable():
        return ""
    return next((f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), "")


def _mixed_scripts(word: str) -> str:
    """The scripts of `word`, named, if they don't stand beside one another in ordinary words; else empty."""
    if word.isascii():
        return ""
    scripts = {
        unicodedata.name(char, "?").split()[0] for char in word if unicodedata.category(char) in ("Lu", "Ll", "Lo")
    }
    if len(scripts) < 2 or any(scripts <= alike for alike in _ALIKE):
        return ""
    return " and ".join(sorted(script.capitalize() for script in scripts))
