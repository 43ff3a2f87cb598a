"""Domains that are known for something: where anybody may have an address, where one is thrown away.

Lists in data/, a name a line; a comment there says where each is from.
"""

import functools
from importlib.resources import files


@functools.cache
def freemail() -> frozenset[str]:
    """Mailbox providers where anybody may have an address under the provider's own domain."""
    return _read("freemail.txt")


@functools.cache
def disposable() -> frozenset[str]:
    """Domains of addresses that are thrown away, as the package disposable-email-domains (MIT) lists them."""
    try:
        from disposable_email_domains import blocklist
    except ImportError:
        return frozenset()
    return frozenset(blocklist)


def meant(domain: str) -> str:
    """The provider that a slip such as `gmial.com` meant; empty for what may well be a domain of its own."""
    if domain in freemail() or len(domain) < 6:
        return ""
    return next((one for one in OFTEN if _is_slip(domain, one)), "")


OFTEN = (
    "gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "gmx.de",
    "gmx.net", "hotmail.fr",
    "yahoo.fr", "orange.fr", "wanadoo.fr", "laposte.net", "t-online.de", "comcast.net", "proton.me",
)  # fmt: skip


def _is_slip(typed: str, wanted: str) -> bool:
    """One letter too many, too few, another, or two in the wrong order; or the wrong end behind the right name."""
    name, _, end = typed.rpartition(".")
    right, _, right_end = wanted.rpartition(".")
    if name == right and end in ("con", "cmo", "ocm", "vom", "comm", "cm", "om", "xom", "dom", "ne", "nett", "d", "f"):
        return end[0] == right_end[0] or right_end == "com"
    if end != right_end or abs(len(name) - len(right)) > 1 or name == right or len(right) < 5:
        return False
    start = next((at for at, (a, b) in enumerate(zip(name, right, strict=False)) if a != b), min(len(name), len(right)))
    a, b = name[start:], right[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _read(name: str) -> frozenset[str]:
    text = (files("newsletter.doctor") / "data" / name).read_text(encoding="utf-8")
    return frozenset(line for line in text.split("\n") if line and not line.startswith("#"))
