"""Sign messages: DKIM (RFC 6376) with rsa-sha256 and ed25519-sha256 (RFC 8463), relaxed/relaxed.

A `Signer` is made for one issue's body: what all its messages share is brought into canonical form, and hashed as far
as the first slot, once. The writer's pieces make that possible: a slot stands between soft line breaks, so no run of
blanks crosses from one piece into the next, and each can be made canonical by itself. Which header fields a message has
is the writer's business; making keys and their DNS records `dkim_key`'s.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from newsletter.compose.message.dkim_key import SigningKey

OVERSIGNED = (b"from", b"subject", b"to", b"date", b"message-id", b"list-unsubscribe", b"list-unsubscribe-post")
"""Named once more than they stand in the message, so that nobody can add one (RFC 6376 section 8.15)."""

_BLANKS = re.compile(rb"[ \t]+")
_BEFORE_END = re.compile(rb"[ \t]+(?=\r\n)")
_FOLD = 72


def relaxed_field(field: bytes) -> bytes:
    """A header field in the relaxed form (RFC 6376 section 3.4.2): name in lower case, unfolded, single blanks."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip() + b"\r\n"


def relaxed_body(octets: bytes) -> bytes:
    """A piece of a body with CRLF line ends in the relaxed form (section 3.4.4), but for empty lines at its end."""
    if b"  " not in octets and b"\t" not in octets and b" \r\n" not in octets:
        return octets
    return _BEFORE_END.sub(b"", _BLANKS.sub(b" ", octets))


def split_fields(header: bytes) -> list[bytes]:
    """The fields of a header, each with its folded lines and CRLF."""
    return re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", header)


@dataclass(slots=True)
class _Frame:
    """What one key's signatures of an issue share: the signature field around `t=`, `bh=` and `b=`."""

    key: SigningKey
    before_time: bytes
    after_time: bytes  # to `bh=`


class Signer:
    """Signs the messages of one issue. Not to be shared by threads.

    `keys`: one or more, a signature each. `shared`: the header fields that all messages have alike. `names`: the names
    of those that differ, in the order in which `sign` gets them. `body`: the body's pieces, `places` the indices of
    those that differ; the last piece ends with one CRLF.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        shared: Sequence[bytes],
        names: Sequence[str],
        body: Sequence[bytes],
        places: Sequence[int],
    ) -> None:
        self._body = [relaxed_body(piece) for piece in body]
        self._places = sorted(places)
        first = self._places[0] if self._places else len(self._body)
        self._begun = hashlib.sha256(b"".join(self._body[:first]))
        self._rest = self._body[first:]
        self._rest_places = [place - first for place in self._places]
        canonical = [relaxed_field(field) for field in shared]
        self._header = hashlib.sha256(b"".join(canonical))
        signed = [field.partition(b":")[0] for field in canonical] + [name.lower().encode() for name in names]
        listed = [*signed, *OVERSIGNED]
        self._frames = [_frame(key, b":".join(listed)) for key in keys]

    def sign(self, fields: Sequence[bytes], pieces: Sequence[bytes], moment: int) -> bytes:
        """The DKIM-Signature fields of one message, folded, with their CRLF.

        `fields`: its own header fields in the order of `names`; `pieces`: the body's, of which only the `places` are
        looked at; `moment`: seconds since the epoch, for `t=`.
        """
        rest = self._rest.copy()
        offset = len(self._body) - len(rest)
        for place in self._rest_places:
            rest[place] = relaxed_body(pieces[place + offset])
        hashed = self._begun.copy()
        hashed.update(b"".join(rest))
        body_hash = binascii.b2a_base64(hashed.digest(), newline=False)
        header = self._header.copy()
        header.update(b"".join(map(relaxed_field, fields)))
        return b"".join(_signature(frame, header, body_hash, moment) for frame in self._frames)


def _frame(key: SigningKey, names: bytes) -> _Frame:
    start = b"DKIM-Signature: v=1; a=%b; c=relaxed/relaxed; d=%b;\r\n s=%b; t=" % (
        key.algorithm.encode(),
        key.domain.encode("ascii"),
        key.selector.encode("ascii"),
    )
    return _Frame(key, start, b";\r\n h=" + _folded(names, b":") + b";\r\n bh=")


def _signature(frame: _Frame, header: Any, body_hash: bytes, moment: int) -> bytes:
    field = b"%b%d%b%b;\r\n b=" % (frame.before_time, moment, frame.after_time, body_hash)
    data = header.copy()
    data.update(relaxed_field(field)[:-2])  # itself, without its CRLF and with `b=` empty
    value = binascii.b2a_base64(frame.key.sign(data.digest()), newline=False)
    lines = [value[at : at + _FOLD] for at in range(0, len(value), _FOLD)]
    return field + b"\r\n  ".join(lines) + b"\r\n"


def _folded(names: bytes, separator: bytes) -> bytes:
    """The list of names on lines of at most some 75 characters, broken after a separator."""
    lines, line = [], b""
    for name in names.split(separator):
        if line and len(line) + len(name) > _FOLD - 4:
            lines.append(line)
            line = b""
        line += name + separator
    lines.append(line)
    return b"\r\n  ".join(lines).removesuffix(separator)
