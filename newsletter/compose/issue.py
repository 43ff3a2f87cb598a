"""The issue: a post rendered once through a template, frozen; all that its messages are made of but the subscriber.

An issue is kept in the ledger as JSON, and finished by whatever `newsletter` comes later, so its JSON has a format: 1
is that of the first releases (they did not write it down), 4 is today's. A field that joins says since which format it
is there, and has a default for those that were frozen before; nothing leaves, and the names in the JSON stay. Before 3
premailer chose what is inlined, so of those issues what is styled is not compared.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError

FORMAT = 4
"""The format that issues are frozen in. A field of a later one has `field(default=…, metadata={"since": 5})`."""

_CONTEXT_SINCE = {("newsletter", "extra"): 3, ("issue", "date"): 3, ("issue", "date_text"): 3}
"""Since which format the context has a key."""
_STYLING = re.compile(
    r"<!--.*?-->|<style\b.*?</style>|\s(?:style|class|align|valign|bgcolor)=(?:\"[^\"]*\"|'[^']*'|[^\s>]+)|\s+",
    re.DOTALL,
)
_OWN_STYLING = 3
"""Since this format the same post, template and settings are styled in the same way, to the letter."""
_STORED_NAMES = {"context": "facts"}
"""What a field is called in the JSON, where that differs."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place whose content depends on the recipient: a Jinja2 expression or block as source, and where it stands."""

    source: str
    path: str  # relative to the newsletter's root, for errors
    line: int  # from 1


Piece = str | Slot
"""Fixed text, or a slot; a text with slots is a tuple of pieces."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that travels in the message."""

    cid: str  # Content-ID, without angle brackets
    address: str  # where it is, or would be, on the web
    content_type: str
    name: str  # of a file, in ASCII
    data: str  # base64


@dataclass(frozen=True, slots=True)
class Issue:
    """One mailing. Every field is JSON; the hash covers them all, so what was frozen is what is sent."""

    id: str
    post: str  # the post's path relative to the newsletter's root
    subject: tuple[Piece, ...]
    preheader: str
    sender: str  # From, "Ada Moreau <ada@example.org>"
    reply_to: str  # or empty
    mail_from: str  # return path
    list_id: str  # "The Long View <example.org>", RFC 2919
    unsubscribe_url: str  # https address of the public pages, or empty
    unsubscribe_mailto: str  # or empty
    view_url: str  # where the post stands on the web, or empty
    language: str
    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    context: Mapping[str, Any]  # post, site, newsletter, issue: what slots may mention beside the subscriber
    format: int = FORMAT  # that it was frozen in
    verp: bool = field(default=False, metadata={"since": 2})  # a return path of its own for each message
    pictures: tuple[Picture, ...] = field(default=(), metadata={"since": 4})  # that the HTML names by `cid:`

    def dumps(self) -> str:
        """The issue as JSON, for the ledger; `loads` reads it back equal."""
        return self._dumps_as(self.format)

    @classmethod
    def loads(cls, text: str, path: Path | str | None = None) -> "Issue":
        """The issue that `dumps` wrote, today or in an earlier release.

        Raises NewsletterError, which names the state file `path`, for one that a newer release froze, and for what is
        no issue.
        """
        try:
            stored = json.loads(text)
            format_ = stored.get("format", 1)
            if format_ > FORMAT:
                raise NewsletterError(
                    f"the issue {stored.get('id')!r} was frozen by a newer newsletter (format {format_}, read here is "
                    f"{FORMAT}); update newsletter and run it again",
                    path=path,
                )
            found = {field.name: stored[name] for field in fields(cls) if (name := _stored_name(field.name)) in stored}
            for name in ("subject", "html", "text"):
                found[name] = tuple(piece if isinstance(piece, str) else Slot(**piece) for piece in found[name])
            found["pictures"] = tuple(Picture(**picture) for picture in found.get("pictures", ()))
            return cls(**{**found, "format": format_})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise NewsletterError(
                "the state file holds an issue that can't be read; restore the file from a copy of it", path=path
            ) from None

    @property
    def hash(self) -> str:
        """SHA-256 of everything, in hex: the same hash means the same messages."""
        return self.hash_as(self.format)

    def hash_as(self, format: int) -> str:  # noqa: A002 (the field's name)
        """The hash that the same issue has when it was frozen in `format`: to compare with one that was."""
        return hashlib.sha256(self._dumps_as(format).encode()).hexdigest()

    def is_still(self, frozen: "Issue", stored_hash: str) -> bool:
        """Whether this issue, composed today, is the one that was frozen with that hash."""
        if self.hash_as(frozen.format) == stored_hash:
            return True
        old = frozen.format < _OWN_STYLING and frozen.hash == stored_hash
        return old and self._unstyled(frozen.format) == frozen._unstyled(frozen.format)

    def _unstyled(self, format: int) -> tuple[object, ...]:  # noqa: A002 (the field's name)
        """All that the messages say, without how the HTML is styled."""
        known = [one.name for one in fields(self) if one.metadata.get("since", 1) <= format]
        texts = [_joined(pieces) for pieces in (self.subject, self.text)]
        rest = [getattr(self, name) for name in known if name not in {"subject", "text", "html", "context", "format"}]
        return (*texts, *rest, _STYLING.sub("", _joined(self.html)))

    def _dumps_as(self, format: int) -> str:  # noqa: A002
        known = {field.name for field in fields(self) if field.metadata.get("since", 1) <= format}
        stored = {_stored_name(name): value for name, value in asdict(self).items() if name in known}
        stored[_stored_name("context")] = {
            part: {key: value for key, value in about.items() if _CONTEXT_SINCE.get((part, key), 1) <= format}
            for part, about in self.context.items()
        }
        if format == 1:
            del stored["format"]
        else:
            stored["format"] = format
        return json.dumps(stored, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _joined(pieces: tuple[Piece, ...]) -> str:
    """Pieces as one text; where in a template a slot stands is no part of what it says."""
    return "".join(piece if isinstance(piece, str) else f"\0{piece.source}\0" for piece in pieces)


def _stored_name(name: str) -> str:
    return _STORED_NAMES.get(name, name)
