"""Which addresses came before, and on which line, in eight bytes an address and a half."""

import mmap


class Seen:
    """A set of `capacity` keys at most, each with a line: a hash table of numbers, open addressing.

    It keeps a part of each key's hash (SipHash, keyed anew in each process, so nobody can aim), not the key: at a
    million rows two different addresses are taken for one with a chance of about one in a million.
    """

    __slots__ = ("_line_bits", "_lines", "_mask", "_slots", "_tag_mask")

    def __init__(self, capacity: int) -> None:
        size = 1 << max(4, (capacity + capacity // 2).bit_length())
        self._slots = memoryview(mmap.mmap(-1, 8 * size)).cast("Q")  # zeros that take no room until they are used
        self._mask = size - 1
        self._line_bits = max(capacity, 1).bit_length()
        self._lines = (1 << self._line_bits) - 1
        self._tag_mask = ~self._lines & 0xFFFF_FFFF_FFFF_FFFF

    def add(self, key: str, line: int) -> int:
        """0, or the line with which `key` was added first; `line` is from 1 to the capacity, 0 adds nothing."""
        slots, mask = self._slots, self._mask
        code = hash(key)
        tag = code & self._tag_mask
        at = code & mask
        while kept := slots[at]:
            if kept & self._tag_mask == tag:
                return kept & self._lines
            at = (at + 1) & mask
        if line:
            slots[at] = tag | line
        return 0

    def line_of(self, key: str) -> int:
        """The line with which `key` was added, or 0."""
        return self.add(key, 0)
