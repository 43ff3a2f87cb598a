"""Read complaints: a reader pressed "spam", and the mailbox provider says so (ARF, RFC 5965; JMRP).

A report of failed authentication (RFC 6591), or of mail that is no spam, is no complaint. Never raises.
"""

import re
from dataclasses import dataclass

from newsletter.feedback.dsn import ADDRESS, fields_of, returned_parts
from newsletter.mime.message import Message

_COMPLAINTS = {"abuse", "fraud", "virus", "opt-out", "opt-out-list", "miscategorized", "other", "complaint", ""}
_RECIPIENTS = ("original-rcpt-to", "removal-recipient", "original-recipient", "final-recipient")
_OF_MICROSOFT = "x-hmxmroriginalrecipient"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a report says: its type, and the address that complained; empty where it was blacked out."""

    feedback_type: str
    email: str


def read_complaint(message: Message) -> Complaint | None:
    """The complaint that a message is; None if it is none."""
    for part in message.root.walk():
        if part.content_type == "message/feedback-report":
            fields = next(iter(fields_of(part.text(60_000))), {})
            kind = fields.get("feedback-type", "").strip().lower()
            if kind not in _COMPLAINTS:
                return None
            return Complaint(kind or "abuse", _recipient(message, fields))
    for part in returned_parts(message):
        holder = part.children[0] if part.children else part
        if email := _address(holder.get(_OF_MICROSOFT)):
            return Complaint("abuse", email)
    return None


def _recipient(message: Message, fields: dict[str, str]) -> str:
    named = next((email for name in _RECIPIENTS if (email := _address(fields.get(name, "")))), "")
    if named:
        return named
    for part in returned_parts(message):
        holder = part.children[0] if part.children else part
        to = holder.get("to") or "".join(re.findall(r"^To:(.*)$", holder.text(60_000), re.MULTILINE)[:1])
        if email := _address(to):
            return email
    return ""


def _address(value: str) -> str:
    match = ADDRESS.search(value)
    return "" if match is None or match[0].lower().startswith("redacted") else match[0]
