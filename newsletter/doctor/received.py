"""What became of a message on its way: the one that was sent held against the one that arrived.

Pure. The receiving server's word on SPF, DKIM and DMARC (RFC 8601), what the signature covers, header fields that were
rewritten, doubled or lost, links and words that were changed, and whether each hop spoke TLS (RFC 3848).
"""

import re
from collections import Counter

from newsletter.doctor.diagnosis import Diagnosis, Result
from newsletter.doctor.dns.dkim import read_tags
from newsletter.mime.message import Message, read_message
from newsletter.mime.parse import decode_words

_OURS = (
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id",
    "X-Newsletter-Ref",
)  # fmt: skip
_NEEDED = ("list-unsubscribe", "list-unsubscribe-post")
_RESULT = re.compile(r"(?:^|[;\s])(spf|dkim|dmarc)\s*=\s*([a-z]+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_HREF = re.compile(r"""<a\s[^<>]*?href\s*=\s*["']?(https?://[^"'\s<>]+)""", re.IGNORECASE)
_SECURE = re.compile(r"\bwith\s+(?:UTF8)?(?:E?SMTPSA?|LMTPSA?|HTTPS)\b|\bTLS[ _v=]|cipher", re.IGNORECASE)
_HERE = re.compile(
    r"\bfrom\s+(?:localhost|\S*\s*\((?:localhost|\S*)?\s*\[(?:127\.|::1))|\bwith\s+(?:LMTP|local)\b", re.I
)
_MEANS = {
    "spf": "SPF: the relay's address is not in the return path's record",
    "dkim": "DKIM: the signature does not hold for the record, or something changed the message on its way",
    "dmarc": "DMARC: neither SPF nor DKIM passes for From's domain",
}


def read_received(sent: bytes, arrived: bytes, domain: str) -> list[Diagnosis]:
    """What is said of it, and what was done to it; `domain` is that of From."""
    before, after = read_message(sent), read_message(arrived)
    return [
        *_authenticated(after),
        *_signed(after, domain),
        *_fields(before, after),
        *_links(before, after),
        _words(before, after),
        _transport(after),
    ]


def _values(message: Message, name: str) -> list[str]:
    return [value for key, value in message.root.fields if key.lower() == name.lower()]


def _authenticated(after: Message) -> list[Diagnosis]:
    """By the receiving server's first Authentication-Results; one below may be anybody's."""
    check = "probe-authentication"
    fields = _values(after, "Authentication-Results")
    if not fields:
        return [Diagnosis(check, "skip", "the mailbox's server writes no Authentication-Results; try one at Gmail")]
    host = fields[0].partition(";")[0].split()[0] if fields[0].strip() else ""
    ours = [field for field in fields if field.partition(";")[0].split()[:1] == [host]]
    said: dict[str, list[str]] = {}
    for field in ours:
        for method, outcome in _RESULT.findall(_COMMENT.sub(" ", field)):
            said.setdefault(method.lower(), []).append(outcome.lower())
    diagnoses = []
    for method in ("spf", "dkim", "dmarc"):
        results = said.get(method, ["none"])
        best = "pass" if "pass" in results else results[0]
        result: Result = "pass" if best == "pass" else "warn" if best in ("none", "temperror", "neutral") else "fail"
        what = f"{host} says {method}={best}"
        fix = "" if result == "pass" else f"{_MEANS[method]}; see [{method}] above"
        diagnoses.append(Diagnosis(check, result, what, fix))
    return diagnoses


def _signed(after: Message, domain: str) -> list[Diagnosis]:
    """Whether a signature of From's domain covers what one-click unsubscribing asks for (RFC 8058 section 4)."""
    check = "probe-signature"
    signatures = [dict(read_tags(value)) for value in _values(after, "DKIM-Signature")]
    if not signatures:
        return [
            Diagnosis(
                check, "fail", "it arrived without a DKIM signature", "`newsletter dkim generate`, or at the relay"
            )
        ]
    aligned = [tags for tags in signatures if _related(tags.get("d", ""), domain)]
    if not aligned:
        whose = ", ".join(tags.get("d", "?") for tags in signatures)
        what = f"it is signed by {whose}, and not for {domain}"
        return [
            Diagnosis(check, "fail", what, f"set up {domain} at the relay, or sign here: `newsletter dkim generate`")
        ]
    covered = {name.strip().lower() for tags in aligned for name in tags.get("h", "").split(":")}
    lacking = [name for name in _NEEDED if name not in covered and _values(after, name)]
    if lacking:
        what = f"the signature of {aligned[0]['d']} leaves out {' and '.join(lacking)}: Gmail then offers no one-click"
        return [Diagnosis(check, "fail", what, "sign here: `newsletter dkim generate`")]
    return [Diagnosis(check, "pass", f"the signature of {aligned[0]['d']} covers what it must")]


def _related(one: str, other: str) -> bool:
    one, other = one.lower(), other.lower()
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _fields(before: Message, after: Message) -> list[Diagnosis]:
    """Header fields that are not as they were sent."""
    check = "probe-headers"
    diagnoses = []
    counts = Counter(key.lower() for key, _ in after.root.fields)
    if doubled := [name for name in (*_OURS, "MIME-Version", "Content-Type") if counts[name.lower()] > 1]:
        what = f"on its way somebody added a second {', '.join(doubled)}: Gmail refuses such mail"
        diagnoses.append(Diagnosis(check, "fail", what, "have the relay leave the header alone"))
    for name in _OURS:
        was, now = _values(before, name), _values(after, name)
        if was and not now:
            diagnoses.append(Diagnosis(check, "fail", f"{name} was taken out on the way", "have the relay leave it in"))
        elif was and _plain(was[0]) != _plain(now[0]):
            what = f"{name} was rewritten on the way: {_plain(now[0])[:100]}"
            result: Result = "warn" if name in ("Message-ID", "Date", "To") else "fail"
            fix = "have the relay leave it alone"
            if name == "Message-ID":
                fix = "bounces are still known by X-Newsletter-Ref; nothing to do"
            diagnoses.append(Diagnosis(check, result, what, fix))
    if not diagnoses:
        diagnoses.append(Diagnosis(check, "pass", "the header arrived as it was sent, Message-ID and all"))
    return diagnoses


def _plain(value: str) -> str:
    return " ".join(decode_words(value).split())


def _links(before: Message, after: Message) -> list[Diagnosis]:
    check = "probe-links"
    was, now = set(_HREF.findall(before.html)), set(_HREF.findall(after.html))
    strange = sorted(now - was)
    if strange:
        what = f"{len(strange)} links were rewritten on the way: {strange[0][:80]}"
        return [Diagnosis(check, "warn", what, "turn click tracking off at the relay: readers see another domain")]
    more = len(re.findall(r"<img\b", after.html)) - len(re.findall(r"<img\b", before.html))
    if more > 0:
        return [Diagnosis(check, "warn", "a picture was added on the way", "turn open tracking off at the relay")]
    return [Diagnosis(check, "pass", "links and pictures are those that were sent")]


def _words(before: Message, after: Message) -> Diagnosis:
    check = "probe-words"
    same = [" ".join(before.text.split()) == " ".join(after.text.split()), _shape(before.html) == _shape(after.html)]
    if all(same):
        return Diagnosis(check, "pass", "text and HTML are as they were sent")
    part = "the text part" if not same[0] else "the HTML"
    return Diagnosis(check, "warn", f"{part} was changed on the way", "turn off footers and tracking at the relay")


def _shape(html: str) -> str:
    return re.sub(r"\s+", " ", _HREF.sub("<a>", html)).strip()


def _transport(after: Message) -> Diagnosis:
    """Whether every hop between machines spoke TLS, by what each server says of itself."""
    check = "probe-tls"
    hops = [" ".join(value.split()) for value in _values(after, "Received")]
    between = [hop for hop in hops if not _HERE.search(hop)]
    if not between:
        return Diagnosis(check, "skip", "it never left this machine")
    clear = [hop for hop in between if not _SECURE.search(hop)]
    if clear:
        return Diagnosis(check, "fail", f"a hop was in clear: {clear[0][:120]}", "ask who keeps that server for TLS")
    return Diagnosis(check, "pass", f"each of {len(between)} hops between machines spoke TLS")
