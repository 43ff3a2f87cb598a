"""What becomes of a person by what their row says, in the words of its house or in anybody's.

Pure. The words stand in `houses`; a column that the house is not known for is read as a list's own would be.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from newsletter.audience.imports.houses import STATES, Fate, House
from newsletter.audience.opt_out import opt_out_column

Cells = Sequence[Sequence[str]]
"""Rows, column by column."""

_GRAVEST: tuple[Fate, ...] = ("complaint", "unsubscribe", "bounce", "manual", "stranger", "unconfirmed", "subscriber")


def fates_of(house: House, columns: tuple[str, ...], file_name: str) -> Callable[[Cells], list[Fate]] | None:
    """What becomes of each of some rows, given column by column, for a file with these columns.

    None where that is the same for all of the file: a subscriber. The gravest of what a row says counts; a column that
    the house is not known for is read as a list's own would be.
    """
    by_name = (fate for part, fate in house.file_names.items() if part in file_name.lower())
    named: Fate = next(by_name, "subscriber")
    readings = [(columns.index(name), _reading(name, words)) for name, words in house.states.items() if name in columns]
    readings += [(columns.index(name), _filled(fate)) for name, fate in house.filled.items() if name in columns]
    known = {*house.states, *house.filled, *house.dropped, *house.joined, *house.unpacked}
    readings += [
        (at, _told(name, says))
        for at, name in enumerate(columns)
        if name not in known and (says := opt_out_column(name)) is not None
    ]
    if not readings and named == "subscriber":
        return None

    def fates(cells: Cells) -> list[Fate]:
        found: list[Fate] = [named] * len(cells[0])
        for at, read in readings:
            meant = {value: fate for value in set(cells[at]) if (fate := read(value)) != "subscriber"}
            if meant:  # few words stand in such a column, and in most stretches of a list none of these
                for row, value in enumerate(cells[at]):
                    if value in meant:
                        found[row] = min(found[row], meant[value], key=_GRAVEST.index)
        return found

    return fates


def _reading(column: str, words: Mapping[str, Fate]) -> Callable[[str], Fate]:
    """What a state in `column` means: by the house's `words`, else as in a list's own column of that name."""
    says = opt_out_column(column)

    def read(value: str) -> Fate:
        if (fate := words.get(plain(value))) is not None:
            return fate
        return "unsubscribe" if says is not None and says(value) else "subscriber"

    return read


def _filled(fate: Fate) -> Callable[[str], Fate]:
    """What a cell means that is empty for subscribers."""
    return lambda value: fate if value else "subscriber"


def _told(column: str, says: Callable[[str], bool]) -> Callable[[str], Fate]:
    """What a cell of a list's own column means, which `says` whether somebody left."""
    by_name = _fate_by_name(column)
    return lambda value: STATES.get(plain(value), by_name) if says(value) else "subscriber"


def _fate_by_name(column: str) -> Fate:
    """What a column means by its name alone, as `bounced` does where its cell says yes."""
    if re.search(r"bounce|clean|undeliverab", column):
        return "bounce"
    return "complaint" if re.search(r"complain|spam", column) else "unsubscribe"


def plain(value: str) -> str:
    """A state in lower case, its words parted by blanks: `Non-Subscribed`, `marked_as_spam`."""
    return re.sub(r"[\W_]+", " ", value.casefold()).strip()
