"""What TOML may hold, before tomllib reads it: that makes a table of each part of a dotted key, and copies the key.

Nesting by brackets ends by itself, in a RecursionError.
"""

import re
from pathlib import Path

from newsletter.errors import NewsletterError

MOST_PARTS = 32
"""Parts of a dotted key at most."""
MOST_DIGITS = 4300
"""Digits of a number at most: what Python turns into a number without being asked twice."""

_PART = r"(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')"
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*{_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MOST_PARTS}}}", re.MULTILINE)
_LONG_NUMBER = re.compile(rf"(?<![\w.-])[+-]?\d[\d_]{{{MOST_DIGITS},}}")


def refuse_unbounded(source: str, path: Path, line: int = 1) -> None:
    """Raise NewsletterError for a key or a number without measure; `source` starts on `line` of `path`."""
    for found, what in (
        (_LONG_KEY.search(source), f"a key of more than {MOST_PARTS} parts; write it flatter"),
        (_LONG_NUMBER.search(source), f"a number of more than {MOST_DIGITS:,} digits; put quotes around it"),
    ):
        if found is not None:
            raise NewsletterError(what, path=path, line=line + source.count("\n", 0, found.end()))
