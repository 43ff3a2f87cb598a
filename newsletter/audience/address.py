"""Addresses that may stand in an envelope.

Plain ASCII addresses are accepted by a pattern that is narrower than the standard; where it is in doubt,
email-validator decides (strict, no DNS). What a mail client or a relay might read in two ways is refused: quoted local parts, comments,
source routes, invisible or right-to-left characters (RFC 5321 section 4.1.2, RFC 6531).
"""

import re

from newsletter.errors import NewsletterError

_PLAIN = re.compile(
    r"(?=.{3,254}\Z)(?!-)[A-Za-z0-9_+-]{1,64}(?:\.[A-Za-z0-9_+-]+)*@"
    r"(?:[A-Za-z0-9](?!.?--)(?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\Z"
)
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def normalize_address(text: str) -> str:
    """`text` as it is mailed to: stripped, its domain in lower-case ASCII (punycode).

    Raises ValueError with the reason in plain words.
    """
    address = text.strip(" \t")
    if _PLAIN.match(address) and address.index("@") <= 64:
        local, domain = address.split("@")
        return f"{local}@{domain.lower()}"
    return _validate(address)


def _validate(address: str) -> str:
    if not address:
        raise ValueError("the address is empty")
    if "@" not in address:
        raise ValueError(f"no '@' in {address!r}")
    if _UNSEEN.search(address):
        raise ValueError(f"an invisible or direction-changing character in {address!r}")
    if '"' in address or "(" in address:
        raise ValueError(f"a quoted name or a comment in {address!r}")
    if address.startswith("-"):
        raise ValueError(f"{address!r} begins with '-'")
    import email_validator

    try:
        valid = email_validator.validate_email(
            address, check_deliverability=False, strict=True, test_environment=True, allow_domain_literal=False
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"{address!r}: {str(error).rstrip('.')}") from None
    return f"{valid.local_part}@{valid.ascii_domain}"


def address_key(address: str) -> str:
    """The key under which one person is one: `Ada@Example.org` is `ada@example.org`."""
    return address.casefold()


def needs_smtputf8(address: str) -> bool:
    """Does mailing to this address need a relay that offers SMTPUTF8 (RFC 6531)?"""
    return not address.isascii()


_MAILBOX = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"<>,;:]*?))\s*<([^<>]+)>\Z')


def split_mailbox(text: str, name: str = "address") -> tuple[str, str]:
    """`Ada Moreau <ada@example.org>` as its name (maybe empty) and its address; `name` says where it stands."""
    match = _MAILBOX.match(text.strip())
    quoted, plain, address = match.groups() if match else ("", "", text)
    display = re.sub(r"\\(.)", r"\1", quoted) if quoted else (plain or "")
    try:
        return display.strip(), normalize_address(address)
    except ValueError as error:
        raise NewsletterError(f"{name}: {error}; write it as 'Ada Moreau <ada@example.org>'") from None
