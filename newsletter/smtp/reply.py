"""An SMTP reply, and what it means for a recipient.

Pure: no clock, network or database. Reply codes: RFC 5321 section 4.2; enhanced codes: RFC 3463 and 7505 and the IANA
registry. The order of the rules is the policy: what is about us comes before what is about the recipient.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from newsletter.smtp.limit import our_limit


class Reply(NamedTuple):
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
    REST = "rest"  # we have sent as much as we may for now: the recipient stays pending, the relay rests
    STOP = "stop"  # about us, not about them: the recipient stays pending, the issue stops


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply means. The flags say what lasts longer than one message: the pace and the suppressions."""

    action: Action
    suppress: bool = False  # the address does not exist, and won't
    full: bool = False  # a full mailbox: suppressed only when it stays so
    slow: bool = False  # several in a row: send slower
    policy: bool = False  # a refusal of the mail rather than the address: several pause the domain
    hint: str = ""  # what to fix
    window: float = 0.0  # of REST: seconds until we may send again, at the latest; 1: slower will do; 0: not said


MAX_TEXT = 500
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_USUAL = re.compile(r"([0-9]{3}) (?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|\Z))?([ -~]{0,500})\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
THEIR_MAILBOX = _NO_SUCH_ADDRESS | {"5.2.1", "5.2.2"}
"""What names the reader's mailbox: never about us, however many there are of it."""
_SLOW = {421, 450, 451, 452, 454}
_LOGIN = {530, 534, 535, 538}
_AUTHENTICATION = {f"7.{number}" for number in (*range(20, 33), 40, 509, 515)} - {"7.30"}
_AUTHENTICATION_LATER = {f"7.{number}" for number in (*range(23, 33), 40)} - {"7.28"}  # that one is our rate
_SENDER = {"1.7", "1.8", "7.60"}
_POLICY_WORDS = re.compile(r"spam|block(?:ed|list)|blacklist|reputation|policy|dnsbl|\brbl\b|unsolicited", re.I)
_SIZE_WORDS = re.compile(
    r"message size|size (?:limit|exceed)|exceed\w* .{0,30}\bsize\b|too (?:large|big)\b|(?:message|mail) too long"
    r"|larger than|max\w* (?:message |mail )?size",
    re.I,
)
_HELO_WORDS = re.compile(r"\b(?:helo|ehlo)\b|\bhello name\b", re.I)
_DNS_WORDS = re.compile(
    r"\b(?:SPF|DKIM|DMARC|PTR|rDNS|reverse dns)\b|(?:cannot|can't|could not|unable to) (?:find|resolve) your", re.I
)
_PROVEN = (
    r"(?:verified|authori[sz]ed|validated|confirmed|allowed|owned|permitted|registered|associated|activated|accepted"
    r"|(?:the )?same)"
)
_SENDER_WORDS = re.compile(
    r"(?:address|sender|domain|identity|identities|from)\b.{0,40}"
    rf"\b(?:is|are|was|has|have) ?(?:not|n't)(?: been| an?| yet)* {_PROVEN}"
    rf"|\b(?:sender|from (?:header|address|domain|field)|mail from)\b.{{0,40}}\bnot {_PROVEN}"
    r"|\bnot owned by\b|not (?:allowed|authori[sz]ed|permitted) to (?:send|relay|use)|does not match a verified"
    r"|send ?as ?denied|permissions? to send as|unverified (?:sender|address|domain|from)"
    r"|\b(?:sender|from)\b.{0,20}\bmismatch|mismatch\w*.{0,20}\b(?:sender|from)\b|sandbox|relaying disallowed as"
    r"|verify (?:a|the|your|that) .{0,30}(?:sender|domain|identity|from)|sender verif\w+ fail"
    r"|(?:bad|invalid|unknown|missing) (?:sender|(?:mail )?from)|(?:sender|from address) is missing"
    r"|sender (?:address |domain )?(?:rejected|refused|denied|blocked|not )",
    re.I,
)
_ACCOUNT_WORDS = re.compile(
    r"\byour (?:\w+ ){0,2}account (?:is|was|has been) \w+"
    r"|\b(?:sending|submission|smtp access) (?:(?:is|was|has been) )?(?:paused|suspended|disabled|blocked|stopped)"
    r"|\b(?:paused|suspended|disabled) (?:your|this) (?:smtp )?account"
    r"|unusual sending",
    re.I,
)
_LOGIN_WORDS = re.compile(
    r"\bauth(?:entication)? (?:is )?(?:required|needed|first)"
    r"|\b(?:must|need to|please) (?:first )?(?:authenticate|log ?in)"
    r"|(?:turn on|enable|use|requires?) (?:smtp )?auth\w*|valid auth|not logged in",
    re.I,
)
_TLS_WORDS = re.compile(r"\b(?:encryption|tls|ssl)\b.{0,20}\b(?:required|needed)|must issue a starttls", re.I)
_HOST_WORDS = re.compile(
    r"\b(?:client host|client ip|your (?:ip|host|server))\b.{0,80}\b(?:rejected|blocked|(?:black|block)?listed|banned"
    r"|denied)",
    re.I,
)
_RELAY_WORDS = re.compile(r"\brelay\w*|allowed rcpthosts|not (?:a )?local (?:host|domain|recipient)", re.I)
_READER_WORDS = re.compile(r"\b(?:recipient|mailbox|user unknown|no such user)\b(?! address not in authori)", re.I)
_FORWARDED = re.compile(r"\bsaid:|\bremote (?:server|host)\b", re.I)
"""The words are those of the reader's server, told again."""
_FIX_LOGIN = "check the user in [smtp] url and NEWSLETTER_SMTP__PASSWORD"
_FIX_OAUTH = "it takes no password any more; set [smtp] oauth to a command that prints an access token (XOAUTH2)"
_FIX_TLS = (
    "the relay wants TLS; on a loopback address put a user into [smtp] url, elsewhere use smtps:// or another port"
)
_FIX_SENDER = (
    "the relay refuses our sender; verify the address there, or check [newsletter] author, [smtp] mail_from and what"
    " the relay lets this user send as"
)
_FIX_ACCOUNT = "the relay has stopped your account; log in at the provider's site to see why, or ask its support"
_FIX_CONNECT = "the relay refuses to talk to this machine; check [smtp] url, or ask who runs it"
_FIX_HELO = "the relay refuses the name that this machine gives itself; give the machine a full host name"
_FIX_SIZE = "the message is larger than the relay takes; make the post smaller"
_FIX_DNS = "set up SPF, DKIM and DMARC for the sender's domain, and reverse DNS for the relay"
_BASIC = re.compile(
    r"basic auth|modern auth|oauth|application-specific|app(?:lication)? password|SmtpClientAuthentication", re.I
)


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
    if not 400 <= code < 600:
        return Verdict(Action.UNKNOWN if command == "." else Action.AGAIN)
    if code < 500:
        return _for_now(reply, detail)
    if code in _LOGIN or command == "AUTH" or detail == "7.30":
        return Verdict(Action.STOP, hint=_login_hint(reply))
    if command not in ("connect", "STARTTLS") and (window := our_limit(reply.status, reply.text)) is not None:
        return Verdict(Action.REST, window=window)
    if hint := _about_us(reply, detail):
        return Verdict(Action.STOP, hint=hint)
    if status in _NO_SUCH_ADDRESS:
        return Verdict(Action.FAIL, suppress=True)
    if detail.startswith("2.") or (code == 552 and not status):
        return Verdict(Action.FAIL, full=True)
    policy = (
        detail.startswith("7.")
        or is_relaying_denied(reply)
        or (not status and _POLICY_WORDS.search(reply.text) is not None)
    )
    return Verdict(Action.FAIL, policy=policy)


def _for_now(reply: Reply, detail: str) -> Verdict:
    """4xx: later, or elsewhere."""
    if detail in _AUTHENTICATION_LATER or _DNS_WORDS.search(reply.text):
        return Verdict(Action.DEFER, policy=True, hint=_FIX_DNS)
    window = our_limit(reply.status, reply.text)
    if window is not None and (window >= 60 or reply.code in (452, 454)):
        return Verdict(Action.REST, window=window)
    return Verdict(Action.AGAIN if reply.code == 421 else Action.DEFER, slow=reply.code in _SLOW)


def _login_hint(reply: Reply) -> str:
    if "STARTTLS" in reply.text.upper():
        return _FIX_TLS
    return _FIX_OAUTH if reply.status == "5.7.30" or _BASIC.search(reply.text) else _FIX_LOGIN


def _about_us(reply: Reply, detail: str) -> str:
    """What to fix, where a refusal is about us; else empty."""
    about_readers = _READER_WORDS.search(reply.text) is not None
    for applies, hint in (
        (reply.code in (501, 504, 550, 554) and _HELO_WORDS.search(reply.text), _FIX_HELO),
        (reply.command == "EHLO" and reply.code in (501, 504, 550), _FIX_HELO),
        (detail in _AUTHENTICATION, _FIX_DNS),
        (detail in ("7.10", "7.11") or _TLS_WORDS.search(reply.text), _FIX_TLS),
        (_LOGIN_WORDS.search(reply.text), _login_hint(reply)),
        (reply.command in ("connect", "EHLO", "STARTTLS"), _FIX_CONNECT),
        (detail in ("2.3", "3.4"), _FIX_SIZE),
        (not detail.startswith("2.") and _SIZE_WORDS.search(reply.text) and not about_readers, _FIX_SIZE),
        (reply.command == "MAIL", _FIX_SENDER),
        (reply.status in THEIR_MAILBOX, ""),
        (_DNS_WORDS.search(reply.text), _FIX_DNS),
        (_HOST_WORDS.search(reply.text) and not _FORWARDED.search(reply.text), _FIX_CONNECT),
        (_ACCOUNT_WORDS.search(reply.text), _FIX_ACCOUNT),
        (detail in _SENDER or (_SENDER_WORDS.search(reply.text) and not about_readers), _FIX_SENDER),
    ):
        if applies:
            return hint
    return ""


def is_relaying_denied(reply: Reply) -> bool:
    """Whether a policy refusal says that the relay takes no mail from us for others at all."""
    return reply.command == "RCPT" and _RELAY_WORDS.search(reply.text) is not None
