"""Read a file of addresses that must not be mailed: a CSV file with a header, or an address a line."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from newsletter.audience.address import normalize_address
from newsletter.audience.csv.formula import unguard
from newsletter.audience.csv.header import column_name
from newsletter.audience.suppression import REASONS, Reason
from newsletter.errors import NewsletterError


def read_suppressions(
    path: Path | None, stdin: TextIO, reason: Reason
) -> tuple[list[tuple[str, Reason]], list[tuple[int, str]]]:
    """The addresses with their reasons, and the lines that hold none. `reason` is for rows that name none."""
    try:
        text = path.read_text(encoding="utf-8-sig") if path else stdin.read()
    except UnicodeDecodeError:
        raise NewsletterError("is not UTF-8; save it as UTF-8", path=path) from None
    except OSError as error:
        raise NewsletterError(f"can't be read ({error.strerror}); name another file", path=path) from None
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    email, why, start = 0, None, 0
    if "@" not in first:
        names = [column_name(title) for title in next(csv.reader([first], delimiter=delimiter), [])]
        email = next((at for at, name in enumerate(names) if name.replace("_", "") in _EMAIL), -1)
        why = names.index("reason") if "reason" in names else None
        start = 1
        if email < 0:
            raise NewsletterError("no column of addresses; name one `email`", path=path, line=1)
    rows: list[tuple[str, Reason]] = []
    problems: list[tuple[int, str]] = []
    for line, cells in enumerate(csv.reader(lines[start:], delimiter=delimiter), start + 1):
        if not any(map(str.strip, cells)) or cells[0].startswith("#"):
            continue
        try:
            address = normalize_address(unguard(cells[email]) if email < len(cells) else "")
        except ValueError as error:
            problems.append((line, f"{error}; fix the row or delete it"))
            continue
        rows.append((address, _reason(cells, why) or reason))
    return rows, problems


_EMAIL = ("email", "emailaddress", "mail", "address", "recipient")


def _reason(cells: Sequence[str], column: int | None) -> Reason | None:
    text = cells[column].strip().lower() if column is not None and column < len(cells) else ""
    return next((reason for reason in REASONS if reason == text), None)
