"""Write messages: an issue and a subscriber become an envelope, bytes on the wire.

A message is multipart/alternative, text first, HTML second, both quoted-printable in UTF-8 (RFC 5322, 2045, 2046), for
one recipient; pictures that travel with it are `related`'s. What all recipients share is encoded once; for each, slots
and a few header fields are spliced in. The bytes depend on issue, subscriber, secret and date alone. How slots are
filled: `fill`; header fields: `headers`; what the token of an unsubscribe link says: `audience.token`; signatures:
`dkim`.
"""

import hashlib
import itertools
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from newsletter.audience.address import split_mailbox
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.token import make_token
from newsletter.compose.html.content_id import unembed
from newsletter.compose.issue import Issue, Piece
from newsletter.compose.message import headers
from newsletter.compose.message.dkim import Signer, split_fields
from newsletter.compose.message.dkim_key import SigningKey
from newsletter.compose.message.envelope import Envelope
from newsletter.compose.message.ids import message_id, reference, sender_domain
from newsletter.compose.message.quoted_printable import SOFT_BREAK, encode, encode_value, normal
from newsletter.compose.message.related import Related
from newsletter.compose.templating.fill import Fill, Filler, Reader, for_readers, is_harmless
from newsletter.errors import NewsletterError

LONGEST_ID = 200
"""Bytes of an issue's id; it stands in tokens, and they in a header line of 998 characters."""

LONGEST_RETURN = 64 - len("+") - 26
"""Characters of the return path's local part, where each message has one of its own (RFC 5321 section 4.5.3.1.1)."""

_LONGEST_TOKEN = 700  # characters, of the longest id and the longest address (254)


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """What one reader sees: the texts that a mail program decodes from the message."""

    subject: str
    text: str
    html: str


class MessageWriter:
    """Writes one issue's messages. Not to be shared by threads.

    `columns`, when given, are those of the list: an issue that mentions another is refused at once, with the template's
    file and line. NewsletterError also for what can't stand in a header. With `keys`, messages are signed by each.
    """

    def __init__(
        self,
        issue: Issue,
        secret: bytes,
        *,
        columns: Collection[str] | None = None,
        keys: Sequence[SigningKey] = (),
    ) -> None:
        self.issue = issue
        self._secret = secret
        name, address = split_mailbox(issue.sender, "[newsletter] author")
        self._domain = sender_domain(issue)
        if len(issue.id.encode("utf-8", "replace")) > LONGEST_ID:
            raise NewsletterError(
                f"the issue's id {issue.id[:40]!r}… is over {LONGEST_ID} bytes; give the post a shorter `slug:`",
                path=issue.post,
            )
        if issue.verp and len(issue.mail_from.rpartition("@")[0].encode()) > LONGEST_RETURN:
            raise NewsletterError(
                f"[smtp] mail_from: over {LONGEST_RETURN} characters before the @ leave no room for what tells bounces "
                "apart; give a shorter address, or set verp = false",
                path="newsletter.toml",
            )
        self._subject_pieces = _normal(issue.subject)
        self._text_pieces, self._html_pieces = _normal(for_readers(issue.text)), _normal(for_readers(issue.html))
        self._subject = Filler(self._subject_pieces, issue.context, html=False, columns=columns).fills
        self._text = Filler(self._text_pieces, issue.context, html=False, columns=columns).fills
        self._unsubscribe_base = issue.unsubscribe_url.rstrip("/")
        named = {"unsubscribe_url": issue.unsubscribe_mailto, "preferences_url": "", "view_url": issue.view_url}
        harmless = {name for name, other in named.items() if is_harmless(self._unsubscribe_base + other)}
        self._html = Filler(self._html_pieces, issue.context, html=True, columns=columns, harmless=harmless).fills
        self._list_unsubscribe = self._unsubscribe_frame()
        self._now = (0, b"")

        boundary = "=_" + hashlib.sha256(issue.hash.encode()).hexdigest()[:32]  # `=_` is in no quoted-printable
        self._before_to = headers.mailbox_field("From", name, address)
        if issue.reply_to:
            self._before_to += headers.mailbox_field(
                "Reply-To", *split_mailbox(issue.reply_to, "[newsletter] reply_to")
            )
        self._fixed_subject = b"" if self._subject else headers.text_field("Subject", _plain(issue.subject))
        self._after_id = (
            b"MIME-Version: 1.0\r\n"
            + headers.list_id_field(issue.list_id)
            + headers.id_field("Feedback-ID", feedback_id(issue.id, self._domain))
            + b"Precedence: list\r\n"
        )
        one_click = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"  # RFC 8058
        self._after_list = (one_click if self._unsubscribe_base.startswith("https://") else b"") + (
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode("ascii")
        )
        top = f"--{boundary}\r\n{_part_header('plain')}"
        between = f"\r\n--{boundary}\r\n".encode("ascii")
        html_header = _part_header("html")
        related = Related(issue.pictures, boundary) if issue.pictures else None
        self._body: list[bytes] = [top.encode("ascii")]
        self._fills: list[tuple[Fill, list[int]]] = []
        self._add(self._text_pieces, self._text)
        self._body.append(between + (related.before(html_header) if related else html_header.encode("ascii")))
        self._add(self._html_pieces, self._html)
        self._body.append((related.after if related else b"") + f"\r\n--{boundary}--\r\n".encode("ascii"))
        self._unite()
        self._signer = self._make_signer(keys) if keys else None

    def envelope(self, subscriber: Subscriber, date: datetime | None = None) -> Envelope:
        """The envelope for one subscriber; `date` is an aware datetime, now if None.

        Raises NewsletterError when a slot fails for this subscriber.
        """
        reader = self._reader(subscriber)
        body = self._body.copy()
        coded: dict[str, bytes] = {}  # text and HTML mostly hold the same values
        for fill, places in self._fills:
            value = fill(reader)
            octets = coded.get(value)
            if octets is None:
                octets = coded[value] = encode_value(value)
            for place in places:
                body[place] = octets
        id_ = self.message_id(subscriber.email)
        ref = reference(id_)
        to = headers.mailbox_field("To", subscriber.name, subscriber.email)
        subject = self._fixed_subject or headers.text_field(
            "Subject", self._join(self._subject_pieces, self._subject, reader)
        )
        dated = self._date_field(date)
        ids = f"Message-ID: {id_}\r\nX-Newsletter-Ref: {ref}\r\n".encode("ascii")
        leave = self._unsubscribe_field(reader)
        header = (self._before_to, to, subject, dated, ids, self._after_id, leave, self._after_list, b"\r\n")
        body[0] = b"".join(header)
        if self._signer is not None:
            own = (to, dated, *split_fields(ids), *([leave] if leave else ()))
            moment = int(date.timestamp()) if date is not None else self._now[0]
            signature = self._signer.sign(own if self._fixed_subject else (*own, subject), body[1:], moment)
            body[0] = signature + body[0]
        return Envelope(self._return_path(ref), subscriber.email, body, id_[1 : id_.index("@")])

    def decoded(self, subscriber: Subscriber) -> DecodedMessage:
        """Subject, text and HTML as this subscriber reads them, with embedded pictures as a web page has them."""
        reader = self._reader(subscriber)
        return DecodedMessage(
            headers.clean(self._join(self._subject_pieces, self._subject, reader)),
            self._join(self._text_pieces, self._text, reader),
            self._decoded_html(reader),
        )

    def decoded_html(self, subscriber: Subscriber) -> str:
        """The HTML of `decoded` alone, in half the time."""
        return self._decoded_html(self._reader(subscriber))

    def _decoded_html(self, reader: Reader) -> str:
        return unembed(self._join(self._html_pieces, self._html, reader), self.issue.pictures)

    def message_id(self, email: str) -> str:
        """The Message-ID for this address, the same on every attempt, in angle brackets."""
        return message_id(self._secret, self.issue.id, email, self._domain)

    def _return_path(self, ref: str) -> str:
        """MAIL FROM of one message: where its bounces go, and by which they tell whose they are (VERP)."""
        if not self.issue.verp:
            return self.issue.mail_from
        local, _, domain = self.issue.mail_from.rpartition("@")
        return f"{local}+{ref}@{domain}"

    def _make_signer(self, keys: Sequence[SigningKey]) -> Signer:
        shared = split_fields(self._before_to + self._fixed_subject + self._after_id + self._after_list)
        names = ["To", "Date", "Message-ID", "X-Newsletter-Ref"]
        names += ["List-Unsubscribe"] if self._list_unsubscribe else []
        names += ["Subject"] if not self._fixed_subject else []
        return Signer(keys, shared, names, self._body[1:], [at - 1 for _, ours in self._fills for at in ours])

    def _reader(self, subscriber: Subscriber) -> Reader:
        columns = {**subscriber.columns, "email": subscriber.email, "name": subscriber.name}
        return Reader(columns, self._address)

    def _address(self, name: str, reader: Reader) -> str:
        """A reader's own address of this name, or the `token` that its unsubscribe addresses share."""
        base = self._unsubscribe_base
        if name == "token":
            return make_token(self._secret, "unsubscribe", reader.columns["email"], self.issue.id)
        if name == "unsubscribe_url":
            if base:
                return f"{base}/u/{reader.address('token')}"
            mailto = self.issue.unsubscribe_mailto
            return f"mailto:{mailto}?subject=unsubscribe%20{reader.address('token')}" if mailto else ""
        if name == "preferences_url":
            token = make_token(self._secret, "preferences", reader.columns["email"], self.issue.id) if base else ""
            return f"{base}/p/{token}" if base else ""
        if name == "view_url" and not self.issue.view_url and base:
            return f"{base}/v/{make_token(self._secret, 'view', reader.columns['email'], self.issue.id)}"
        return self.issue.view_url if name == "view_url" else ""

    def _unsubscribe_frame(self) -> tuple[bytes, ...]:
        """List-Unsubscribe (RFC 2369), the pieces around the token; empty where there is no way."""
        mark = "TOKEN" + "x" * _LONGEST_TOKEN
        uris = [f"{self._unsubscribe_base}/u/{mark}"] if self._unsubscribe_base else []
        if self.issue.unsubscribe_mailto:
            uris.append(f"mailto:{self.issue.unsubscribe_mailto}?subject=unsubscribe%20{mark}")
        if not uris:
            return ()
        return tuple(headers.uris_field("List-Unsubscribe", uris).split(mark.encode("ascii")))

    def _unsubscribe_field(self, reader: Reader) -> bytes:
        if not self._list_unsubscribe:
            return b""
        return reader.address("token").encode("ascii").join(self._list_unsubscribe)

    def _date_field(self, date: datetime | None) -> bytes:
        if date is not None:
            return _date(date)
        second = int(time.time())
        if self._now[0] != second:
            self._now = (second, _date(datetime.fromtimestamp(second, UTC)))
        return self._now[1]

    def _add(self, parts: tuple[Piece, ...], fills: list[Fill]) -> None:
        """Put a text's parts into the body: fixed ones encoded, slots as places between soft line breaks."""
        waiting = iter(fills)
        for fixed, group in itertools.groupby(parts, lambda part: isinstance(part, str)):
            if fixed:
                self._body.append(encode("".join(part for part in group if isinstance(part, str))))
                continue
            for _ in group:
                self._place(next(waiting))

    def _place(self, fill: Fill) -> None:
        """A place for a slot's value, between soft line breaks; equal slots share one value."""
        if not self._body[-1].endswith((SOFT_BREAK, b"\n")):
            self._body.append(SOFT_BREAK)
        place = len(self._body)
        known = next((places for other, places in self._fills if other is fill), None)
        if known is None:
            self._fills.append((fill, [place]))
        else:
            known.append(place)
        self._body += [b"", SOFT_BREAK]

    def _unite(self) -> None:
        """Make one piece of each run of fixed ones; the first place is for the header."""
        places = {place: fill for fill, ours in self._fills for place in ours}
        pieces, fills = [b""], {fill: list[int]() for fill, _ in self._fills}
        for is_fixed, run in itertools.groupby(enumerate(self._body), lambda numbered: numbered[0] not in places):
            if is_fixed:
                pieces.append(b"".join(piece for _, piece in run))
                continue
            for place, _ in run:
                fills[places[place]].append(len(pieces))
                pieces.append(b"")
        self._body, self._fills = pieces, list(fills.items())

    def _join(self, parts: tuple[Piece, ...], fills: list[Fill], reader: Reader) -> str:
        waiting = iter(fills)
        return "".join([part if isinstance(part, str) else normal(next(waiting)(reader)) for part in parts])


def _normal(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """`pieces` with their fixed text as it will be read."""
    return tuple(normal(piece) if isinstance(piece, str) else piece for piece in pieces)


def feedback_id(issue_id: str, domain: str) -> str:
    """Feedback-ID as Gmail reads it: issue, newsletter, kind, sender, of letters and digits, on one line of 78.

    Gmail counts by each of them; where they are too long, the domain is left out, which `sender` tells too, and a long
    issue is cut, with a few digits that tell it from others.
    """

    def words(text: str) -> str:
        return re.sub(r"[^A-Za-z0-9._-]+", "-", text)

    sender = re.sub(r"[^a-z0-9]", "", domain.lower())[:15].ljust(5, "0")
    issue, end = words(issue_id), f":newsletter:{sender}"
    room = headers.FOLD_AT - len("Feedback-ID: ") - len(end)
    if len(issue) + 1 + len(words(domain)) <= room:
        return f"{issue}:{words(domain)}{end}"
    if len(issue) > room:
        issue = f"{issue[: room - 9]}-{hashlib.sha256(issue_id.encode()).hexdigest()[:8]}"
    return issue + end


def _date(moment: datetime) -> bytes:
    return f"Date: {format_datetime(moment.replace(microsecond=0))}\r\n".encode("ascii")


def _part_header(subtype: str) -> str:
    return f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def _plain(parts: tuple[Piece, ...]) -> str:
    return "".join(part for part in parts if isinstance(part, str))
