"""Find the message that a reference of ours names, among all that were ever sent, without trying each anew.

A reference is a keyed digest of issue and address, kept nowhere: so the first one that the mail's own address does not
explain makes an index of all deliveries (some 16 bytes each), and each further one is looked up in it. A mailbox full
of forged references costs one reading of the ledger, no more. What was planned since the last look is added.
"""

import base64
import binascii
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select

from newsletter.compose.message.ids import message_id, reference
from newsletter.state.schema import deliveries, issues

SMALL = 20_000
"""Deliveries of the last piece up to which it is made anew with those that have come since."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The beginnings of digests in their order, and whose they are; of deliveries after the id `after`."""

    after: int
    last: int
    digests: "array[int]" = field(repr=False)
    ids: "array[int]" = field(repr=False)


class ReferenceIndex:
    """Who references are about."""

    def __init__(self, engine: Engine, secret: bytes) -> None:
        self._engine = engine
        self._secret = secret
        self._pieces: list[_Piece] = []

    def find(self, references: Iterable[str]) -> tuple[str, str] | None:
        """Address and issue of the first reference that is ours; None if none is."""
        wanted = [(digest, one) for one in references if (digest := _digest(one)) is not None]
        if not wanted:
            return None
        self._add_new()
        for digest, one in wanted:
            for found in self._candidates(digest):
                person = self._delivery(found)
                if person is not None and reference(self._id(person[1], person[0])) == one:
                    return person
        return None

    def _candidates(self, digest: int) -> Iterator[int]:
        for piece in reversed(self._pieces):
            at = bisect_left(piece.digests, digest)
            while at < len(piece.digests) and piece.digests[at] == digest:
                yield piece.ids[at]
                at += 1

    def _delivery(self, id_: int) -> tuple[str, str] | None:
        """Its address and issue; None for one that was erased since."""
        query = select(deliveries.c.email, issues.c.id).join(issues, deliveries.c.issue == issues.c.number)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(deliveries.c.id == id_)).first()
        return (row[0], row[1]) if row is not None else None

    def _add_new(self) -> None:
        with self._engine.connect() as connection:
            newest = connection.scalar(select(func.max(deliveries.c.id))) or 0
        known = self._pieces[-1].last if self._pieces else 0
        if newest > known:
            small = self._pieces.pop() if self._pieces and len(self._pieces[-1].ids) < SMALL else None
            self._pieces.append(self._read(small.after if small else known))

    def _read(self, after: int) -> _Piece:
        query = select(deliveries.c.id, deliveries.c.email, issues.c.id).join(
            issues, deliveries.c.issue == issues.c.number
        )
        query = query.where(deliveries.c.id > after).order_by(deliveries.c.id)
        digests, ids = array("Q"), array("Q")
        with self._engine.connect() as connection:
            for id_, email, issue in connection.execution_options(yield_per=5000).execute(query):
                digests.append(int(self._id(issue, email)[1:17], 16))
                ids.append(id_)
        order = sorted(range(len(ids)), key=digests.__getitem__)
        last = ids[-1] if ids else after
        return _Piece(after, last, array("Q", map(digests.__getitem__, order)), array("Q", map(ids.__getitem__, order)))

    def _id(self, issue: str, email: str) -> str:
        return message_id(self._secret, issue, email, "")  # the domain is no part of the reference


def _digest(one: str) -> int | None:
    """The first 64 bits that a reference spells."""
    try:
        return int.from_bytes(base64.b32decode(one.upper() + "======")[:8], "big")
    except (binascii.Error, ValueError):
        return None
