"""Write header fields as bytes: RFC 5322 (folding), RFC 2047 (encoded words), RFC 6532 (addresses in UTF-8).

Unstructured text and display names are encoded; identifiers and URLs never are, because no mailbox provider decodes
them there: they are folded between, and refused where they can't stand. A field holds one line of meaning: control
characters and line ends become spaces, so no value adds a header. Which fields a message has is `writer`'s business.
"""

import binascii
import re
from collections.abc import Sequence

from newsletter.errors import NewsletterError

FOLD_AT = 78
LONGEST_LINE = 998
WORD = 75
"""Characters of an encoded word at most (RFC 2047 section 2)."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udfff]")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*\Z")
_ATOMS = re.compile(r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_ADDRESS = re.compile("[^\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff<>,;]+\\Z")
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_TABLE = {byte: "_" if byte == 32 else f"={byte:02X}" for byte in range(256) if byte not in _Q_PLAIN}
_ID = re.compile(r"[!-;=?-~]+\Z")  # printable ASCII without angle brackets


def clean(value: str) -> str:
    """`value` on one line: line ends, control characters and what isn't Unicode text become spaces."""
    return _CONTROL.sub(" ", value)


def text_field(name: str, value: str) -> bytes:
    """An unstructured field (Subject), encoded when it must be, folded at 78, with its CRLF."""
    value = clean(value)
    if _is_plain(value):
        if len(name) + 2 + len(value) <= FOLD_AT:
            return f"{name}: {value}\r\n".encode("ascii")
        folded = _fold_words(f"{name}:", value)
        if folded is not None:
            return folded
    return f"{name}: ".encode("ascii") + encoded_words(value, len(name) + 2) + b"\r\n"


def mailbox_field(name: str, display_name: str, address: str) -> bytes:
    """A field of one mailbox (From, To, Reply-To), with its CRLF.

    The display name is bare, quoted or encoded. An address beyond ASCII stays UTF-8 (RFC 6532): it can't be encoded,
    and goes only to relays that offer SMTPUTF8. Raises NewsletterError for an address that would break the field.
    """
    if not _ADDRESS.match(address):
        raise NewsletterError(f"{address!r} can't stand in {name}; give an address such as ada@example.org")
    if _ATOMS.match(display_name) and len(name) + len(display_name) + len(address) + 5 <= FOLD_AT:
        return f"{name}: {display_name} <{address}>\r\n".encode()
    display_name = clean(display_name).strip()
    if not display_name:
        return f"{name}: {address}\r\n".encode()
    phrase = _phrase(display_name, len(name) + 2)
    column = len(phrase) - (phrase.rfind(b"\n") + 1) + (len(name) + 2 if b"\n" not in phrase else 0)
    gap = b" " if column + len(address) + 3 <= FOLD_AT else b"\r\n "
    return f"{name}: ".encode("ascii") + phrase + gap + f"<{address}>\r\n".encode()


def list_id_field(value: str) -> bytes:
    """List-Id from `title <id>` (RFC 2919): ASCII, the title quoted where it must be."""
    title, angle, rest = clean(value).rpartition("<")
    identifier = rest.removesuffix(">").strip()
    if not angle or not _ID.match(identifier):
        raise NewsletterError(f"{identifier!r} can't stand in List-Id; set [newsletter] url to your site's address")
    title = title.strip()
    if not title:
        return f"List-Id: <{identifier}>\r\n".encode("ascii")
    return mailbox_field("List-Id", title, identifier)


def uris_field(name: str, uris: Sequence[str]) -> bytes:
    """A field of URLs in angle brackets (List-Unsubscribe), folded between them, never inside one."""
    for uri in uris:
        if not _ID.match(uri) or "," in uri or len(uri) + 4 > LONGEST_LINE:
            raise NewsletterError(f"{uri[:80]!r} can't stand in {name}; use a URL of printable ASCII, spaces as %20")
    return f"{name}: ".encode("ascii") + b",\r\n ".join(f"<{uri}>".encode("ascii") for uri in uris) + b"\r\n"


def id_field(name: str, value: str) -> bytes:
    """A field that holds one identifier without spaces (Message-ID, Feedback-ID), never folded, never encoded."""
    if not re.fullmatch(r"[!-~]+", value) or len(name) + 2 + len(value) > LONGEST_LINE:
        raise NewsletterError(f"{value[:80]!r} can't stand in {name}; use printable ASCII without spaces")
    return f"{name}: {value}\r\n".encode("ascii")


def encoded_words(value: str, column: int) -> bytes:
    """All of `value` as encoded words in UTF-8, B or Q, whichever is shorter, from `column` of the first line on.

    Words are at most 75 characters, lines at most 78, and no word ends inside a character.
    """
    octets = value.encode()
    if len(octets) * 3 + column + 12 <= FOLD_AT:  # one word for sure, whichever way
        quoted_word = octets.decode("latin-1").translate(_Q_TABLE)
        if len(quoted_word) <= 4 * ((len(octets) + 2) // 3):
            return f"=?utf-8?q?{quoted_word}?=".encode("ascii")
        return b"=?utf-8?b?" + binascii.b2a_base64(octets, newline=False) + b"?="
    quoted = sum(1 if byte in _Q_PLAIN or byte == 32 else 3 for byte in octets)
    letter = "b" if 4 * ((len(octets) + 2) // 3) < quoted else "q"
    overhead = len("=?utf-8?b??=")
    words: list[str] = []
    start = 0
    while start < len(value) or not words:
        room = min(WORD, FOLD_AT - (column if not words else 1)) - overhead
        end, used = start, 0
        while end < len(value):
            size = len(value[end].encode()) if letter == "b" else len(_q(value[end]))
            total = used + size
            if (4 * ((total + 2) // 3) if letter == "b" else total) > room and end > start:
                break
            end, used = end + 1, total
        piece = value[start:end]
        payload = (
            binascii.b2a_base64(piece.encode(), newline=False).decode() if letter == "b" else "".join(map(_q, piece))
        )
        words.append(f"=?utf-8?{letter}?{payload}?=")
        start = end
    return "\r\n ".join(words).encode("ascii")


def _is_plain(value: str) -> bool:
    """ASCII that a reader takes as it stands: single spaces, and nothing that looks like an encoded word."""
    return bool(_PLAIN.match(value)) and "=?" not in value


def _phrase(name: str, column: int) -> bytes:
    """A display name as RFC 5322 `phrase`: atoms, a quoted string, or encoded words."""
    if _is_plain(name) and column + len(name) + 2 <= FOLD_AT:
        if _ATOMS.match(name):
            return name.encode("ascii")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'.encode("ascii")
    return encoded_words(name, column)


def _fold_words(line: str, value: str) -> bytes | None:
    """`value` folded at its spaces, or None where a word is longer than a line."""
    lines = []
    for word in value.split(" "):
        if len(word) >= FOLD_AT - 1:
            return None
        if len(line) + 1 + len(word) > FOLD_AT:
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]).encode("ascii") + b"\r\n"


def _q(character: str) -> str:
    return character.encode().decode("latin-1").translate(_Q_TABLE)
