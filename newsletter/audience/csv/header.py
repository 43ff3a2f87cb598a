"""Read the header row of a list: which column is which, and how templates name it."""

import csv
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.csv.scan import LINE_MAX
from newsletter.errors import NewsletterError

_ALSO_EMAIL = ("e_mail", "email_address", "e_mail_address", "mail", "mail_address", "address")
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Header:
    """`names` as templates write them, in the order of the file; one of them is `email`."""

    names: tuple[str, ...]
    delimiter: str


def column_name(title: str) -> str:
    """A column's title as templates write it: `First name` is `first_name`, `2nd city` is `column_2nd_city`."""
    name = re.sub(r"\W+", "_", title.strip().casefold()).strip("_")
    return f"column_{name}" if name[:1].isdigit() else name


def read_header(path: Path) -> Header:
    """The header of the list at `path`. Raises NewsletterError where it is missing or can be read in two ways."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline(LINE_MAX).rstrip("\n")
    if not first.strip():
        what = "the first line is blank; begin" if path.stat().st_size else "is empty; begin"
        raise NewsletterError(f"{what} it with a header row `email,name`", path=path, line=1)
    if re.fullmatch(r"sep=.", first.strip(), re.IGNORECASE):
        raise NewsletterError("a line for spreadsheets, not a header; delete it", path=path, line=1)
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        titles = next(csv.reader([first], delimiter=delimiter, strict=True))
    except csv.Error:
        raise NewsletterError("a quote in the header is not closed; mend it", path=path, line=1) from None
    while titles and not titles[-1].strip():
        titles.pop()
    names = [column_name(title) for title in titles]
    if "email" not in names:
        names = ["email" if name == _other_email(names) else name for name in names]
    _check_names(names, titles, path)
    return Header(tuple(names), delimiter)


def _other_email(names: list[str]) -> str | None:
    return next((name for name in _ALSO_EMAIL if name in names), None)


def _check_names(names: list[str], titles: list[str], path: Path) -> None:
    if "email" not in names:
        if any("@" in title for title in titles):
            hint = "the first line is a person already; put a header row `email,name` above it"
            raise NewsletterError(f"no header; {hint}", path=path, line=1)
        near = difflib.get_close_matches("email", names, n=1, cutoff=0.5)
        hint = f"rename {titles[names.index(near[0])]!r}" if near else "name the column of the addresses `email`"
        raise NewsletterError(f"no column `email` in the header; {hint}", path=path, line=1)
    for number, name in enumerate(names):
        if not name:
            raise NewsletterError(f"column {number + 1} has no name; name it or delete it", path=path, line=1)
        if name in names[:number]:
            one, other = titles[names.index(name)], titles[number]
            both = repr(one) if one == other else f"{one!r} and {other!r}"
            what = f"two columns are named {name!r} ({both}); rename or delete one"
            raise NewsletterError(what, path=path, line=1)
