"""An SMTP reply, and what it means for a recipient.

Pure: no clock, network or database. Reply codes: RFC 5321 section 4.2; enhanced codes: RFC 3463 and 7505 and the IANA
registry. The order of the rules is the policy: what is about us comes before what is about the recipient.
"""

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Reply:
    """What a relay said: code, enhanced status such as "5.1.1" (or empty), text, and the command that it answers."""

    code: int
    status: str
    text: str
    command: str  # "connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "." or ""

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code) if self.code else "", self.status, self.text) if part)


class Action(Enum):
    """What to do with the recipient whom a reply is about."""

    SENT = "sent"
    AGAIN = "again"  # not taken, and not their fault: at once on another connection
    DEFER = "defer"
    FAIL = "fail"
    UNKNOWN = "unknown"  # an answer to the final dot that is none
    STOP = "stop"  # about us, not about them: the recipient stays pending, the issue stops


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply means. The flags handler what lasts longer than one message: the pace and the suppressions."""

    action: Action
    suppress: bool = False  # the address does not exist, and won't
    full: bool = False  # a full mailbox: suppressed only when it stays so
    slow: bool = False  # several in a row: send slower
    policy: bool = False  # a refusal of the mail rather than the address: several pause the domain
    hint: str = ""  # of STOP: what to fix


MAX_TEXT = 500
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_USUAL = re.compile(r"([0-9]{3}) (?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|\Z))?([ -~]{0,500})\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
_SLOW = {421, 450, 451, 452, 454}
_LOGIN = {530, 534, 535, 538}
_AUTHENTICATION = {f"5.7.{number}" for number in range(26, 33)} | {"5.7.40", "5.7.515"}
_POLICY_WORDS = re.compile(r"spam|block(?:ed|list)|blacklist|reputation|policy|dnsbl|\brbl\b|unsolicited", re.I)

_FIX_LOGIN = "check the user in [smtp] url and NEWSLETTER_SMTP__PASSWORD"
_FIX_TLS = (
    "the relay wants TLS; on a loopback address put a user into [smtp] url, elsewhere use smtps:// or another port"
)
_FIX_SENDER = "the relay refuses our return path; check [smtp] mail_from and what the relay lets this user send as"
_FIX_CONNECT = "the relay refuses to talk to this machine; check [smtp] url, or ask who runs it"
_FIX_SIZE = "the message is larger than the relay takes; make the post smaller"
_FIX_DNS = "set up SPF, DKIM and DMARC for the sender's domain"


def parse_reply(lines: list[str], command: str) -> Reply:
    """The reply made of these lines, "250-…" and "250 …"; what can't be a code is 0.

    The enhanced status is taken from the first line and left out of the others; the text is one line of printable
    characters, at most 500.
    """
    if len(lines) == 1 and (usual := _USUAL.match(lines[0])):
        return Reply(int(usual[1]), usual[2] or "", usual[3].strip(), command)
    first = lines[0][4:] if lines else ""
    code = int(lines[-1][:3]) if lines and lines[-1][:3].isascii() and lines[-1][:3].isdigit() else 0
    status = ""
    if match := _STATUS.match(first):
        status = match[1]
    texts = (_STATUS.sub("", line[4:].strip(), count=1) if status else line[4:].strip() for line in lines)
    text = _UNPRINTABLE.sub(" ", " ".join(part for part in texts if part))
    return Reply(code, status, text[:MAX_TEXT].strip(), command)


def verdict(reply: Reply) -> Verdict:
    """What `reply` means for the recipient it is about; only replies that end a transaction are asked about."""
    code, status, command = reply.code, reply.status, reply.command
    detail = status.partition(".")[2]  # "7.1" of "5.7.1"
    if 200 <= code < 300:
        return Verdict(Action.SENT) if command == "." else Verdict(Action.AGAIN)
    if code == 421:
        return Verdict(Action.AGAIN, slow=True)
    if 400 <= code < 500:
        return Verdict(Action.DEFER, slow=code in _SLOW)
    if not 500 <= code < 600:
        return Verdict(Action.UNKNOWN if command == "." else Action.AGAIN)
    if code in _LOGIN or command == "AUTH":
        return Verdict(Action.STOP, hint=_FIX_TLS if "STARTTLS" in reply.text.upper() else _FIX_LOGIN)
    if status in _AUTHENTICATION:
        return Verdict(Action.STOP, hint=_FIX_DNS)
    if command in ("connect", "EHLO", "STARTTLS"):
        return Verdict(Action.STOP, hint=_FIX_CONNECT)
    if command == "MAIL":
        return Verdict(Action.STOP, hint=_FIX_SIZE if code == 552 or detail == "3.4" else _FIX_SENDER)
    if status in _NO_SUCH_ADDRESS:
        return Verdict(Action.FAIL, suppress=True)
    if detail.startswith("2."):
        return Verdict(Action.FAIL, full=True)
    if code == 552 or detail == "3.4":
        return Verdict(Action.STOP, hint=_FIX_SIZE)
    if detail.startswith("7."):
        return Verdict(Action.FAIL, policy=True)
    if not status and _POLICY_WORDS.search(reply.text):
        return Verdict(Action.FAIL, policy=True)
    return Verdict(Action.FAIL)


def is_relaying_denied(reply: Reply) -> bool:
    """Whether a policy refusal says that the relay takes no mail from us for others at all."""
    return reply.command == "RCPT" and "relay" in reply.text.lower()
