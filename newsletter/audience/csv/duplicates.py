"""Which addresses came before, and on which line, in eight bytes an address and a half."""

import mmap
from collections.abc import Iterable


class Seen:
    """A set of `capacity` keys at most, each with a line, up to `last`: a hash table of numbers, open addressing.

    It keeps a part of each key's hash (SipHash, keyed anew in each process, so nobody can aim), not the key: at a
    million rows two different addresses are taken for one with a chance of about one in a million.
    """

    __slots__ = ("_is_empty", "_lines", "_mask", "_slots", "_tag_mask")

    def __init__(self, capacity: int, last: int) -> None:
        size = 1 << max(4, (capacity + capacity // 2).bit_length())
        self._slots = memoryview(mmap.mmap(-1, 8 * size)).cast("Q")  # zeros that take no room until they are used
        self._mask = size - 1
        self._is_empty = True
        self._lines = (1 << max(last, 1).bit_length()) - 1
        self._tag_mask = ~self._lines & 0xFFFF_FFFF_FFFF_FFFF

    def add(self, keys: Iterable[str], lines: Iterable[int]) -> dict[int, int]:
        """Of keys that were added before, by place: the line with which that was first; `lines` are from 1 up."""
        slots, mask, tag_mask, before = self._slots, self._mask, self._tag_mask, self._lines
        again = {}
        for place, (code, line) in enumerate(zip(map(hash, keys), lines, strict=True)):
            tag = code & tag_mask
            at = code & mask
            while kept := slots[at]:
                if kept & tag_mask == tag:
                    again[place] = kept & before
                    break
                at = (at + 1) & mask
            else:
                slots[at] = tag | line
                self._is_empty = False
        return again

    def find(self, keys: Iterable[str]) -> dict[int, int]:
        """Of keys that were added, by place: the line with which that was first. Adds nothing."""
        if self._is_empty:
            return {}
        slots, mask, tag_mask, before = self._slots, self._mask, self._tag_mask, self._lines
        found = {}
        for place, code in enumerate(map(hash, keys)):
            at = code & mask
            while kept := slots[at]:
                if kept & tag_mask == code & tag_mask:
                    found[place] = kept & before
                    break
                at = (at + 1) & mask
        return found
