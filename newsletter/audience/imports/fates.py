"""What becomes of a person by what their row says, in the words of its house or in anybody's.

Pure. The words stand in `houses`; a column that the house is not known for is read as a list's own would be.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from newsletter.audience.imports.houses import STATES, Fate, House
from newsletter.audience.opt_out import opt_out_column

_GRAVEST: tuple[Fate, ...] = ("complaint", "unsubscribe", "bounce", "manual", "stranger", "unconfirmed", "subscriber")


def fate_of(house: House, columns: tuple[str, ...], file_name: str) -> Callable[[Sequence[str]], Fate] | None:
    """What becomes of a row's cells, for a file with these columns; None where that is the same for all: a subscriber.

    The gravest of what a row says counts; a column that the house is not known for is read as a list's own would be.
    """
    named = next((fate for part, fate in house.file_names.items() if part in file_name.lower()), None)
    states = [(columns.index(name), _reading(name, words)) for name, words in house.states.items() if name in columns]
    filled = [(columns.index(name), fate) for name, fate in house.filled.items() if name in columns]
    known = {*house.states, *house.filled, *house.dropped, *house.joined, *house.unpacked}
    others = [
        (at, says, _fate_by_name(name))
        for at, name in enumerate(columns)
        if name not in known and (says := opt_out_column(name)) is not None
    ]
    if not (named or states or filled or others):
        return None

    def fate(row: Sequence[str]) -> Fate:
        found: list[Fate] = [read(row[at]) for at, read in states]
        found += [fate for at, fate in filled if row[at]]
        found += [STATES.get(plain(row[at]), named_so) for at, says, named_so in others if says(row[at])]
        if named is not None:
            found.append(named)
        return min(found, key=_GRAVEST.index) if found else "subscriber"

    return fate


def _reading(column: str, words: Mapping[str, Fate]) -> Callable[[str], Fate]:
    """What a state in `column` means: by the house's `words`, else as in a list's own column of that name."""
    says = opt_out_column(column)

    @lru_cache(maxsize=1000)
    def read(value: str) -> Fate:
        if (fate := words.get(plain(value))) is not None:
            return fate
        return "unsubscribe" if says is not None and says(value) else "subscriber"

    return read


def _fate_by_name(column: str) -> Fate:
    """What a column means by its name alone, as `bounced` does where its cell says yes."""
    if re.search(r"bounce|clean|undeliverab", column):
        return "bounce"
    return "complaint" if re.search(r"complain|spam", column) else "unsubscribe"


def plain(value: str) -> str:
    """A state in lower case, its words parted by blanks: `Non-Subscribed`, `marked_as_spam`."""
    return re.sub(r"[\W_]+", " ", value.casefold()).strip()
