"""Read the header row of a list: which column is which, and how templates name it.

Takes what exports put above it: a byte order mark, a spreadsheet's `sep=;`, a title of its own. The columns of the
address and the name are known by the words that other houses use for them; where two might be meant, the list is
refused.
"""

import csv
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.address import UNSEEN
from newsletter.audience.csv.scan import LINE_MAX, read_blocks
from newsletter.audience.opt_out import opt_out_column
from newsletter.errors import NewsletterError

_ALSO_EMAIL = (
    "e_mail", "email_address", "emailaddress", "e_mail_address", "mail", "mail_address", "mailaddress",
    "subscriber_email", "subscriber_email_address", "primary_email", "primary_email_address", "email_id",
    "e_mail_1_value", "email_1_value", "e_mail_adresse", "email_adresse", "emailadresse", "mailadresse", "mail_adresse",
    "adresse_e_mail", "adresse_email", "adresse_mail", "courriel", "correo_electrónico", "correo_electronico", "correo",
    "indirizzo_email", "indirizzo_e_mail", "e_mailadres", "emailadres", "e_mail_adres", "e_postadress", "e_post",
    "endereço_de_email", "endereço_de_e_mail", "adres_e_mail", "электронная_почта", "メールアドレス",
    "subscriber", "address",
)  # fmt: skip
"""What the column of the address is called where nothing is called `email`; the first that is there."""

_OF_MAIL = {"email", "emails", "mail", "emailaddress", "emailadresse", "mailadresse"}
_NOT_ADDRESS = {
    "label", "type", "status", "date", "time", "count", "number", "sent", "opens", "opened", "received", "clicked",
    "clicks", "verified", "subject", "template", "campaign", "domain", "provider", "format", "marketing", "consent",
    "client", "host", "hash", "md5", "name", "2", "3", "secondary", "alternate", "alternative", "other", "backup",
}  # fmt: skip
ALSO_NAME = ("full_name", "fullname", "display_name", "subscriber_name", "contact_name", "your_name", "nickname")
"""What the column of the name is called where nothing is called `name`; the first that is there."""

NAME_PARTS = (
    ("first_name", "last_name"), ("firstname", "lastname"), ("fname", "lname"), ("given_name", "family_name"),
    ("vorname", "nachname"), ("prénom", "nom"), ("prenom", "nom"), ("nombre", "apellidos"), ("nome", "cognome"),
    ("voornaam", "achternaam"), ("nome", "apelido"), ("nome", "sobrenome"), ("الاسم_الأول", "اسم_العائلة"),
    ("שם_פרטי", "שם_משפחה"),
)  # fmt: skip
"""First and family name, which make up the name together, in the languages that the templates speak; the second may be
missing."""

_DELIMITERS = ",;\t|"
_ABOVE = 5
"""Lines at most that an export puts above its header."""


@dataclass(frozen=True, slots=True)
class Header:
    """`names` as templates write them, in the order of the file; one of them is `email`."""

    names: tuple[str, ...]
    delimiter: str
    line: int = 1  # on which it stands
    name_parts: tuple[int, ...] = ()  # the columns that make up the name, where none is called `name`

    def blocks(self, path: Path, longest: int) -> Iterator[tuple[Sequence[int], Sequence[list[str]]]]:
        """The rows below it, as `scan.read_blocks` has them."""
        email, width = self.names.index("email"), len(self.names)
        return read_blocks(path, self.delimiter, above=self.line, email=email, width=width, longest=longest)


def column_name(title: str) -> str:
    """A column's title as templates write it: `First name` is `first_name`, `2nd city` is `column_2nd_city`."""
    name = re.sub(r"\W+", "_", re.sub(UNSEEN, "", title).strip().casefold()).strip("_")
    return f"column_{name}" if name[:1].isdigit() else name


def read_titles(path: Path) -> tuple[list[str], str, int]:
    """The header row of a file as it is written, its delimiter, and its line. Raises NewsletterError without one."""
    with path.open(encoding="utf-8-sig") as file:
        lines = [line.rstrip("\n") for line in (file.readline(LINE_MAX) for _ in range(_ABOVE + 1))]
    if not lines[0].strip():
        what = "the first line is blank; begin" if path.stat().st_size else "is empty; begin"
        raise NewsletterError(f"{what} it with a header row `email,name`", path=path, line=1)
    delimiters, line = _DELIMITERS, 1
    if told := re.fullmatch(r'\s*"?sep=(.)"?[,;\s]*', lines[0], re.IGNORECASE):
        delimiters, line = told[1] + _DELIMITERS, 2
    else:
        above = next((number for number, text in enumerate(lines) if not _is_title(text)), 0)
        if "email" in column_names(_reading(lines[above], _DELIMITERS)[1]):
            line = above + 1
    if not lines[line - 1].strip(" ,;\t|"):
        raise NewsletterError("the line of the header is blank; write `email,name`", path=path, line=line)
    delimiter, titles = _reading(lines[line - 1], delimiters)
    if not titles:
        raise NewsletterError("a quote in the header is not closed; fix it", path=path, line=line)
    return titles, delimiter, line


def read_header(path: Path) -> Header:
    """The header of the list at `path`. Raises NewsletterError where it is missing or can be read in two ways."""
    titles, delimiter, line = read_titles(path)
    names = column_names(titles)
    _check_names(names, titles, path, line)
    parts = name_parts(names, (("name",), *NAME_PARTS))
    return Header(tuple(names), delimiter, line, tuple(map(names.index, parts)))


def _reading(line: str, delimiters: str) -> tuple[str, list[str]]:
    """The delimiter under which a header has an address, or else the most frequent one, and the titles it parts.

    Titles are missing where a quote isn't closed.
    """
    readings: list[tuple[str, list[str]]] = []
    for delimiter in sorted(delimiters, key=line.count, reverse=True):
        if readings and delimiter not in line:
            continue
        try:
            titles = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            titles = []
        while titles and not titles[-1].strip():
            titles.pop()
        if "email" in column_names(titles):
            return delimiter, titles
        readings.append((delimiter, titles))
    return readings[0]


def column_names(titles: list[str]) -> list[str]:
    """The columns' names as templates write them; where none is called `email` or `name`, what is meant for it is."""
    names = [column_name(title) for title in titles]
    for wanted, others in (("email", _emails(names)), ("name", [name for name in ALSO_NAME if name in names])):
        if wanted not in names and others and names.count(others[0]) == 1:
            names[names.index(others[0])] = wanted
    return names


def _is_title(line: str) -> bool:
    """Is this a line of words above a header, such as `Members for group readers`, in one cell or none, and no row?"""
    cells = [cell for cell in re.split(f"[{re.escape(_DELIMITERS)}]", line) if cell.strip(' "')]
    return len(cells) < 2 and "@" not in line and "email" not in column_names(cells)


def _emails(names: list[str]) -> list[str]:
    """What is the address where nothing is called `email`: a usual name, else the only one that speaks of mail."""
    if usual := [name for name in _ALSO_EMAIL if name in names]:
        return usual[:1]
    spoken = _speaking_of_mail(names)
    return spoken if len(spoken) == 1 else []


def _speaking_of_mail(names: list[str]) -> list[str]:
    words = {name: set(name.split("_")) for name in names}
    return [
        name
        for name in names
        if (words[name] & _OF_MAIL or name.endswith(("email", "emailaddress")))
        and not words[name] & _NOT_ADDRESS
        and not opt_out_column(name)
    ]


def name_parts(names: Collection[str], groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns that make a person's name: of the groups the first that is whole, or else whose first is there."""
    there = [group for group in groups if group[0] in names]
    whole = [group for group in there if all(part in names for part in group)]
    return next((tuple(part for part in group if part in names) for group in whole or there), ())


def _check_names(names: list[str], titles: list[str], path: Path, line: int) -> None:
    if "email" not in names and any("@" in title for title in titles):
        hint = "the first line is a person already; put a header row `email,name` above it"
        raise NewsletterError(f"no header; {hint}", path=path, line=line)
    for number, name in enumerate(names):
        if not name:
            raise NewsletterError(f"column {number + 1} has no name; name it or delete it", path=path, line=line)
        if name in names[:number]:
            one, other = titles[names.index(name)], titles[number]
            both = repr(one) if one == other else f"{one!r} and {other!r}"
            what = f"two columns are named {name!r} ({both}); rename or delete one"
            raise NewsletterError(what, path=path, line=line)
    if "email" not in names:
        meant = _speaking_of_mail(names) or difflib.get_close_matches("email", names, n=1, cutoff=0.5)
        shown = " or ".join(repr(titles[names.index(name)]) for name in meant[:3])
        hint = f"rename {shown}" if meant else "name the column of the addresses `email`"
        raise NewsletterError(f"no column `email` in the header; {hint}", path=path, line=line)
