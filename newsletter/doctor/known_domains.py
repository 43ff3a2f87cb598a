"""Domains that are known for something: where anybody may have an address, where one is thrown away.

Lists in data/, a name a line; a comment there says where each is from.
"""

import functools
from importlib.resources import files


@functools.cache
def freemail() -> frozenset[str]:
    """Mailbox providers where anybody may have an address under the provider's own domain."""
    return _read("freemail.txt")


def _read(name: str) -> frozenset[str]:
    text = (files("newsletter.doctor") / "data" / name).read_text(encoding="utf-8")
    return frozenset(line for line in text.split("\n") if line and not line.startswith("#"))
