"""Read bounces: who did not get a message, and what the server said.

Delivery status notifications first (RFC 3464, also those that are not quite): for each recipient, fields name the
address, the action, the status (RFC 3463) and the server's words. Older and sloppier servers write prose only: there
the notice is recognised by who sends it and by its words, and the address by where it stands. What the words mean is
`verdict`'s business; a returned message is never taken for the notice. Never raises, whatever the mail.
"""

import functools
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.utils import parseaddr
from itertools import islice

from newsletter.feedback.phrases import AUTOMATIC, AWAY, BOUNCED, DELAYED, GAVE_UP, REASONS
from newsletter.mime.message import Message
from newsletter.mime.parse import Part, decode_text, decode_words

MOST_RECIPIENTS = 20
"""Of one notice; a notice of ours is about one."""
LONGEST_WORD = 1_000
"""Characters without a space that are read; an address has 254, and what is longer makes patterns slow."""

_MOST_TEXT = 60_000
_LONG_WORD = re.compile(rf"(?<!\S)\S{{{LONGEST_WORD + 1},}}")
_IN_TEXT = re.compile(r"^(?:final|original)-recipient:", re.MULTILINE)
_STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}
ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9-]{2,}|\"[^\"\s]+\"@[\w.-]+\.\w{2,}"
)
_ACTIONS = {"failed", "delayed", "delivered", "relayed", "expanded"}
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_DAEMON = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|post[-_]?master|mailer\b|mail delivery|mailmarshal|bounce|no-?reply|daemon|"
    r"failed-delivery|administrator|system)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"^[ \t>]*5\d\d[ -](?=\S)", re.MULTILINE)  # an SMTP reply
_MAILER_DAEMON = re.compile(r"\bmailer-?daemon@", re.IGNORECASE)
_SUBJECT_OF_PEOPLE = re.compile(r"\s*(?:re|aw|fwd?|wg|tr)\s*:", re.IGNORECASE)
_NOT_A_READER = re.compile(r"(?:mailer-?daemon|mail-?daemon|post_?master)@", re.IGNORECASE)
_RETURNED = re.compile(
    r"^[ \t>]*(?:-{2,}.{0,60}(?:below this line|copy of (?:the|your) (?:message|mail)|original (?:message|mail)|"
    r"returned (?:message|mail|content)|unsent message|message header|header of (?:the )?(?:original|message)|"
    r"forwarded message|included is a copy|undelivered message|ursprüngliche nachricht|message d'origine|"
    r"message body follows|attachment is a copy|your message).*|"
    r"(?:below (?:this line )?is (?:a copy of )?(?:the|your) .{0,40}(?:message|mail|header).*|"
    r"(?:the )?(?:original|your) (?:message|mail)(?: headers?)? (?:follows|is (?:attached|included)|below).*|"
    r"(?:message|mail) headers? follow.*|received-from-mta:.*|content-type: (?:message/rfc822|text/rfc822-headers).*|"
    r"return-path: .*|received: from .*|received: \(qmail.*|\*{3} (?:begin|start) .*))$",
    re.IGNORECASE | re.MULTILINE,
)
_OF_X400 = re.compile(r"\bSMTP=(" + ADDRESS.pattern + r");", re.IGNORECASE)
_AT_LINE_START = re.compile(
    r"^[ \t>*\[-]*(?:to: ?|recipient: ?|email: ?|rcpt to: ?)?[<\"]?("
    + ADDRESS.pattern
    + r")[>\]\"]?[:;,.]?(?:[ \t(<].*)?$",
    re.I | re.M,
)
_CLASSIC_VERP = re.compile(r"[+-]([^\s@+=]+)=((?:[\w-]+\.)+[\w-]{2,})@")
_NAMED = re.compile(
    r"(?:rcpt to:? ?|intended recipient: ?|(?:final|original)-recipient:[^;\n]*; ?|"
    r"recipients?(?: address)?(?:\(s\))?: ?|"
    r"could not be delivered to(?: mailbox)?:?\s*|not delivered to:?\s*|"
    r"deliver(?:ed|y)? (?:the |your )?(?:message|mail|e-mail)? ?"
    r"(?:to|for)(?: the following (?:recipients?|address(?:es)?))?:?\s*|sent to:?\s*|user unknown:? ?|"
    r"no such user(?: here)?:? ?|unknown (?:user|recipient|address|mailbox):? ?|mailbox (?:for )?)"
    r"[\"'`<(\[]*(" + ADDRESS.pattern + r")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bounce:
    """One recipient that a notice is about; what it does not say is empty."""

    email: str  # as the notice names it
    action: str  # "failed", "delayed", "delivered", "relayed" or "expanded" (RFC 3464 section 2.3.3)
    status: str  # enhanced status, "5.1.1"
    diagnostic: str  # the server's words


def read_bounces(message: Message) -> list[Bounce]:
    """The recipients that a message, if it is a bounce, is about; none if it is no bounce."""
    found = list(islice(_from_fields(message), MOST_RECIPIENTS)) or list(islice(_from_text(message), MOST_RECIPIENTS))
    unique = {(bounce.email.lower(), bounce.action): bounce for bounce in reversed(found)}
    return list(reversed(unique.values()))


def notice_text(message: Message) -> str:
    """What the notice itself says: its text without the message that it returns."""
    pieces = []
    for part in _own_parts(message.root):
        torn = part.content_type.startswith("multipart/")  # its boundary is lost
        if torn or part.content_type in {"text/plain", "text/html", *_STATUS_TYPES} or part is message.root:
            text = bounded_text(part)
            pieces.append(_strip_markup(text) if part.content_type == "text/html" else text)
    return _cut("\n".join(pieces)[:_MOST_TEXT])


def bounded_text(part: Part) -> str:
    """The beginning of a part's text, without what no notice has and patterns are slow on."""
    text = part.text(_MOST_TEXT)
    if "\x1b$" in text:  # Japanese in a status part, which can't say so
        text = decode_text(part.content(_MOST_TEXT), "iso-2022-jp")
    return _cut(text)


def _cut(text: str) -> str:
    return _LONG_WORD.sub(lambda word: word[0][:LONGEST_WORD], text)


def returned_parts(message: Message) -> list[Part]:
    """The parts that hold the returned message or its header."""
    return [
        part
        for part in message.root.walk()
        if part.content_type in {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"}
    ]


def _own_parts(part: Part) -> Iterator[Part]:
    """The parts of the notice, not of what it returns."""
    if part.content_type in {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"}:
        return
    if not part.children:
        yield part
    for child in part.children:
        yield from _own_parts(child)


# Fields


def _from_fields(message: Message) -> Iterator[Bounce]:
    words = functools.cache(lambda: notice_text(message))
    for part in _own_parts(message.root):
        text = bounded_text(part)
        is_status = part.content_type in _STATUS_TYPES
        if not is_status and not ("-recipient:" in (lower := text.lower()) and _IN_TEXT.search(lower)):
            continue
        for fields in fields_of(text):
            email = _recipient(fields)
            if email is None:
                continue
            diagnostic = fields.get("diagnostic-code", "")
            said = re.sub(r"^[\w.+-]{1,20}\s*;\s*", "", diagnostic)
            action = re.split(r"[\s;(]", fields.get("action", "").strip().lower())[0]
            status = _STATUS.search(fields.get("status", ""))
            if action not in _ACTIONS:  # OpenSMTPD says "error", others "expired" or "deliverable"
                action = "delivered" if status and status[1].startswith("2.") else "failed"
            yield Bounce(email, action, status[1] if status else "", said or _about(email, words()))


def fields_of(text: str) -> Iterator[dict[str, str]]:
    """The fields of each group; groups are separated by empty lines, or where a recipient begins anew."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.split("\n"), ""]:
        line = line.rstrip("\r")
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t" and last:
            fields[last] += " " + line.strip()
        elif (match := re.match(r"([A-Za-z][\w-]{2,40})\s*:\s*(.*)", line)) is not None:
            last = match[1].lower()
            if last in {"final-recipient", "original-recipient"} and last in fields:
                yield fields
                fields = {}
            if last not in fields:
                fields[last] = decode_words(match[2])
            else:
                fields[last] += " " + match[2]
        else:
            last = ""


def _recipient(fields: dict[str, str]) -> str | None:
    """The address that a group is about: as we wrote it, else as the server knew it; None for no recipient's group."""
    named = [fields.get(name, "") for name in ("original-recipient", "final-recipient", "x-actual-recipient")]
    if not any(named):
        return None
    for value in named:
        if (address := _address_in(value.partition(";")[2] or value)) is not None:
            return address
    return ""


def _address_in(value: str) -> str | None:
    text = re.sub(r"\+([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), value) if value.startswith("+") else value
    match = ADDRESS.search(text)
    if match is not None:
        return match[0]
    bare = parseaddr(text.strip())[1].strip()
    return bare if "@" in bare and " " not in bare else None


def _about(email: str, text: str) -> str:
    """What a notice says of the address: from a line that names it to the next address or gap; else all of it."""
    lines = text.split("\n")
    naming = (number for number, line in enumerate(lines) if email and email.lower() in line.lower())
    for number in islice(naming, MOST_RECIPIENTS):
        line = lines[number]
        said = [line]
        for following in lines[number + 1 : number + 12]:
            if not following.strip() and len(" ".join(said)) > len(email) + 12:
                break
            if (other := _AT_LINE_START.match(following)) and other[1].lower() != email.lower():
                break
            said.append(following)
        words = " ".join(" ".join(said).split())
        if any(phrase.search(words) for _, _, phrase in REASONS):
            return words[:1000]
    return " ".join(text.split())[:2000]


# Prose


def _from_text(message: Message) -> Iterator[Bounce]:
    failed = [
        match[0] for name, value in message.root.fields if name.lower() == "x-failed-recipients"
        for match in ADDRESS.finditer(value)
    ]  # fmt: skip
    if not failed and not _may_be_notice(message):
        return
    text = _before_returned(notice_text(message))
    if not failed and not _is_notice(message, text):
        return
    emails = failed or _named_in(message, text) or _by_flufl(message)
    status = _STATUS.search(text)
    for email in emails or [""]:
        said = _about(email, text)
        own = _STATUS.search(said)
        yield Bounce(email, _action(message, text), (own or status)[1] if (own or status) else "", said)  # type: ignore[index]


def _may_be_notice(message: Message) -> bool:
    """Whether a mail without fields may be a bounce, by its header alone: most mail is none."""
    subject = message.subject
    if AWAY.search(subject) or AUTOMATIC.search(subject):
        return False
    if _is_daemons(message):
        return True
    if message.root.get("list-id") or message.root.get("list-unsubscribe") or _SUBJECT_OF_PEOPLE.match(subject):
        return False
    if message.root.get("in-reply-to") and not message.root.get("auto-submitted"):
        return False
    return BOUNCED.search(subject) is not None


def _is_daemons(message: Message) -> bool:
    """Whether a machine that carries mail has written it."""
    path = message.root.get("return-path").strip()
    return bool(_DAEMON.search(message.sender)) or path in {"<>", "<MAILER-DAEMON>"} or not message.sender.strip()


def _is_notice(message: Message, text: str) -> bool:
    """Whether a mail that may be a bounce is one: a machine's, in a bounce's words."""
    if _is_daemons(message):
        if _MAILER_DAEMON.search(message.sender) and returned_parts(message) and not message.root.get("auto-submitted"):
            return True  # whatever its words, in whatever language
        in_subject = BOUNCED.search(message.subject)
        return bool(in_subject or (ADDRESS.search(text) and (_REFUSAL.search(text) or BOUNCED.search(text[:20_000]))))
    return bool(BOUNCED.search(text[:20_000]) and _named_in(message, text))


def _action(message: Message, text: str) -> str:
    if DELAYED.search(message.subject) or (DELAYED.search(text) and not GAVE_UP.search(message.subject + text)):
        return "delayed"
    return "failed"


def _before_returned(text: str) -> str:
    """The notice's words before the message that it returns, where a line says that it begins."""
    for match in _RETURNED.finditer(text):
        if ADDRESS.search(text[: match.start()]):
            return text[: match.start()]
    return text


def _named_in(message: Message, text: str) -> list[str]:
    """The addresses that did not get it: those that stand where notices name them, but not our own."""
    ours = {address.lower() for value in (*message.to, message.sender) for address in ADDRESS.findall(value)}
    ours |= {address.lower() for address in ADDRESS.findall(message.root.get("delivered-to"))}

    def others(found: Iterable[str]) -> list[str]:
        kept = dict.fromkeys(address.strip("'.`") for address in found)
        return [
            one for one in kept if one.lower() not in ours and not _NOT_A_READER.match(one) and not _looks_like_id(one)
        ]

    if own := others(f"{local}@{domain}" for local, domain in _CLASSIC_VERP.findall(message.root.get("to"))):
        return own
    for pattern in (_OF_X400, _AT_LINE_START, _NAMED, ADDRESS):
        named = others(match[1] if match.re.groups else match[0] for match in pattern.finditer(text))
        if named:
            return named[:1] if pattern is ADDRESS else named
    for part in returned_parts(message):
        holder = part.children[0] if part.children else part
        to = holder.get("to") or next(iter(re.findall(r"^To:(.*)$", holder.text(_MOST_TEXT), re.MULTILINE)), "")
        if named := others(ADDRESS.findall(to)):
            return named[:1]
    quoted = re.findall(r"^[ \t>]*To:(.*)$", notice_text(message), re.MULTILINE | re.IGNORECASE)
    return others(ADDRESS.findall(" ".join(quoted)))[:1]


def _by_flufl(message: Message) -> list[str]:
    """What flufl.bounce finds: shapes of old servers, a detector each. It raises on some mails, and logs that."""
    from flufl.bounce import all_failures

    logging.getLogger("flufl.bounce").disabled = True
    try:
        temporary, permanent = all_failures(message_from_bytes(message.root.data))
    except Exception:
        return []
    found = [address.decode("ascii", "replace") for address in (*permanent, *temporary)]
    return sorted(address for address in found if ADDRESS.fullmatch(address))


def _looks_like_id(address: str) -> bool:
    """A Message-ID, as notices quote them."""
    local = address.partition("@")[0]
    return len(local) > 24 and sum(character.isdigit() for character in local) > 8


def _strip_markup(text: str) -> str:
    from newsletter.mime.message import strip_tags

    return strip_tags(re.sub(r"(?i)<(?:br|/p|/div|/tr|/td|/li|/h\d)[^>]*>", "\n", text))
