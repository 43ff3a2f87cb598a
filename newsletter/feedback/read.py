"""Say what a mail is that came back: a bounce, a complaint, somebody who wants to leave or to join, or none of these.

Pure: nothing is looked up and nothing is done here. Whom it is about is said twice: by the tokens of ours that it
holds, which prove that we sent what it answers, and by the address that it names, which proves nothing.
"""

import base64
import re
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Literal

from newsletter.feedback.arf import read_complaint
from newsletter.feedback.dsn import ADDRESS, notice_text, read_bounces, returned_parts
from newsletter.feedback.phrases import AWAY, LEAVE
from newsletter.feedback.verdict import judge
from newsletter.mime.message import Message, read_message

MailKind = Literal["bounce", "complaint", "unsubscribe", "subscribe", "other"]

_FROM_LINES = re.compile(rb"\A(?:[ \t]*\r?\n)*(?:>?From [^\n]*\n(?:[ \t][^\n]*\n)*)*")  # mbox, and what pasting leaves
_REF = re.compile(r"\+([a-z2-7]{26})@", re.IGNORECASE)
_REF_BEFORE_AT = re.compile(r"\+([a-z2-7]{26})\Z", re.IGNORECASE)
_REF_FIELD = re.compile(r"^[ \t>]*X-Newsletter-Ref:[ \t]*([a-z2-7]{26})\b", re.IGNORECASE | re.MULTILINE)
_DIGEST_BEFORE_AT = re.compile(r"(?<![0-9a-f])([0-9a-f]{32})\Z", re.IGNORECASE)
_ENVELOPE_ID = re.compile(r"^[ \t>]*Original-Envelope-Id:[ \t]*([0-9a-f]{32})\b", re.IGNORECASE | re.MULTILINE)
_LEAVE_TOKEN = re.compile(  # a token may begin with a dash itself
    r"\bunsubscribe(?:[ \t]+|(?:%20)+|[+:][ \t]*|[_-])([A-Za-z0-9_-]{20,1000})"
)
_QUOTED = re.compile(r"^(?:>|On .{5,100} wrote:|Am .{5,100} schrieb|Le .{5,100} a écrit|-{2,} ?\w)", re.MULTILINE)
_ANSWERED = re.compile(r"\s*(?:re|aw|sv|tr|antw|odp)\s*:", re.IGNORECASE)
_TO = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "cc")
_MOST = 200_000
MOST_REFERENCES = 50
_REQUEST = 40
"""Words of a request to leave at most; more is a letter that somebody should read."""


@dataclass(frozen=True, slots=True)
class ReturnedMail:
    """What one mail says."""

    kind: MailKind
    email: str = ""  # as it is named there; nobody vouches for it
    name: str = ""  # of somebody who wants to join, as they write it
    hard: bool = False  # of a bounce: the address will never take mail
    about_us: bool = False  # of a bounce: it speaks of the sender, not of the reader
    status: str = ""
    reason: str = ""
    diagnostic: str = ""
    refs: tuple[str, ...] = ()  # references of ours in it, base32 in lower case; not verified yet
    token: str = ""  # an unsubscribe token, not verified yet
    provider_id: str = ""  # what a provider calls the message
    vouched: bool = False  # a provider of ours has signed it: it is about a message from our account


def read_feedback(data: bytes, *, leave: str = "", join: str = "") -> ReturnedMail:
    """What the mail is; `leave` and `join` are the addresses that people write to, to unsubscribe and to subscribe."""
    if b"\n" not in data:  # line ends of old Macs
        data = data.replace(b"\r", b"\n")
    message = read_message(_FROM_LINES.sub(b"", data))
    refs = _refs(message)
    if (complaint := read_complaint(message)) is not None:
        return ReturnedMail("complaint", complaint.email, reason=complaint.feedback_type, refs=refs)
    listed = message.root.get("list-post") or message.root.get("list-id")
    bounces = [] if listed and not refs else read_bounces(message)  # what a mailing list hands out is about its posts
    failed = next((bounce for bounce in bounces if bounce.action == "failed"), None)
    if failed is not None:
        verdict = judge(failed)
        return ReturnedMail(
            "bounce", failed.email, hard=verdict.hard, about_us=verdict.about_us, status=failed.status,
            reason=verdict.reason, diagnostic=failed.diagnostic, refs=refs,
        )  # fmt: skip
    if bounces:  # a delay, or a receipt
        return ReturnedMail("other", bounces[0].email, status=bounces[0].status, reason=bounces[0].action, refs=refs)
    sender = next(iter(ADDRESS.findall(message.root.get("from"))), "")
    to = " ".join(message.root.get(name) for name in _TO)
    token = _LEAVE_TOKEN.search(f"{message.subject}\n{to}\n{message.text[:2000]}")
    if token is not None or message.subject.strip().lower() == "unsubscribe":  # mail programs write these by themselves
        return ReturnedMail("unsubscribe", sender, token=token[1] if token else "", refs=refs)
    if _is_automatic(message):
        return ReturnedMail("other", sender, reason="automatic reply", refs=refs)
    addressed = {_REF.sub("@", address.lower()) for address in ADDRESS.findall(to)}
    own = _own_words(message)
    if ((leave and leave.lower() in addressed) or len(own.split()) <= _REQUEST) and LEAVE.search(own):
        return ReturnedMail("unsubscribe", sender, refs=refs)
    if join and join.lower() in addressed and not is_spam(message):
        answered = references(message.root.get("in-reply-to"), message.root.get("references"))
        return ReturnedMail("subscribe", sender, name=_name(message), refs=(*refs, *answered))
    answers = message.root.get("in-reply-to") or message.root.get("references") or _ANSWERED.match(message.subject)
    return ReturnedMail("other", sender, reason="reply" if answers else "", refs=refs)


def _refs(message: Message) -> tuple[str, ...]:
    """The references of ours: in the address it came to (VERP), in the returned header, as ENVID or Message-ID."""
    texts = [" ".join(message.root.get(name) for name in _TO), notice_text(message)]
    texts += [part.data[part.start : part.end][:_MOST].decode("latin-1") for part in returned_parts(message)]
    return references(*texts)


def references(*texts: str) -> tuple[str, ...]:
    """What looks like a reference of ours in the texts, each once; whether it is one, `record` knows."""
    found, digests = [], []
    for text in texts:
        lower = text.lower()
        before = [piece[-33:] for piece in lower.split("@")[:-1]]
        found += [match[1] for piece in before if (match := _REF_BEFORE_AT.search(piece))]
        digests += [match[1] for piece in before if (match := _DIGEST_BEFORE_AT.search(piece))]
        if "x-newsletter-ref" in lower:
            found += _REF_FIELD.findall(lower)
        if "original-envelope-id" in lower:
            digests += _ENVELOPE_ID.findall(lower)
    found += [base64.b32encode(bytes.fromhex(digest)).decode("ascii").rstrip("=").lower() for digest in digests]
    return tuple(dict.fromkeys(found))[:MOST_REFERENCES]


def is_spam(message: Message) -> bool:
    """Whether the filter before the mailbox says so: an answer would go to somebody who never wrote."""
    return message.root.get("x-spam-flag").strip().lower() == "yes"


def _name(message: Message) -> str:
    """The writer's name, as From has it."""
    return parseaddr(message.root.get("from")[:1000])[0]


def _is_automatic(message: Message) -> bool:
    """A vacation notice, a challenge, a ticket: a machine's answer (RFC 3834)."""
    if message.root.get("auto-submitted").strip().lower() not in {"", "no"}:
        return True
    if message.root.get("precedence").strip().lower() in {"auto_reply", "auto-reply", "bulk", "junk", "list"}:
        return True
    names = {name.lower() for name, _ in message.root.fields}
    return bool(names & {"x-autoreply", "x-autorespond"} or AWAY.search(message.subject))


def _own_words(message: Message) -> str:
    """Subject and the text that the writer wrote above what is quoted; the subject of an answer is not theirs."""
    subject = "" if _ANSWERED.match(message.subject) else message.subject.strip()
    return f"{subject}\n{_QUOTED.split(message.text[:5000], maxsplit=1)[0].strip()}"
