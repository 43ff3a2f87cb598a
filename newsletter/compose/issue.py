"""The issue: a post rendered once through a template, frozen; all that its messages are made of but the subscriber."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Slot:
    """A place whose content depends on the recipient: a Jinja2 expression or block as source, and where it stands."""

    source: str
    path: str  # relative to the newsletter's root, for errors
    line: int  # from 1


Part = str | Slot
"""Fixed text, or a slot; a text with slots is a tuple of parts."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One mailing. Every field is JSON; the hash covers them all, so what was frozen is what is sent."""

    id: str
    post: str  # the post's path relative to the newsletter's root
    subject: tuple[Part, ...]
    preheader: str
    sender: str  # From, "Ada Moreau <ada@example.org>"
    reply_to: str  # or empty
    mail_from: str  # return path
    list_id: str  # "The Long View <example.org>", RFC 2919
    unsubscribe_url: str  # https address of the public pages, or empty
    unsubscribe_mailto: str  # or empty
    view_url: str  # where the post stands on the web, or empty
    language: str
    html: tuple[Part, ...]
    text: tuple[Part, ...]
    facts: Mapping[str, Any]  # post, site, newsletter, issue: what slots may mention beside the subscriber

    def dumps(self) -> str:
        """The issue as JSON, for the ledger; `loads` reads it back equal."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> "Issue":
        """The issue that `dumps` wrote."""
        fields = json.loads(text)
        for name in ("subject", "html", "text"):
            fields[name] = tuple(part if isinstance(part, str) else Slot(**part) for part in fields[name])
        return cls(**fields)

    @property
    def hash(self) -> str:
        """SHA-256 of everything, in hex: the same hash means the same messages."""
        return hashlib.sha256(self.dumps().encode()).hexdigest()
