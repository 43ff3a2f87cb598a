"""Whether a refusal says that we have sent as much as we may, and until when. Pure; by the words of real relays.

A limit of ours (a day's messages, a second's) is told from the reader's (a full mailbox) and from the message's (its
size): a reply counts only where it names a limit, and what is counted is mail that somebody sends.
"""

import re

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
MONTH = 31 * DAY

_OURS = {"5.4.5", "4.4.5", "5.1.90", "4.1.90", "5.7.705"}
"""Gmail's and Microsoft's: the day's limit, whatever the words."""
_COUNTED = r"(?:e-?mails?|messages?|mails?|recipients?)"
_LIMIT = re.compile(
    r"\b(?:limit(?:s|ed|ing)?|quotas?|allowance|throttl\w*|rate ?limit\w*|cap)\b|\bcredits? (?:exceeded|exhausted|used)"
    r"|\b(?:out of|no|insufficient|not enough) (?:\w+ )?credits?|\bused up\b"
    rf"|too many {_COUNTED}|too (?:fast|quickly|frequent\w*)|sending rate|rate exceeded|unusual rate|slow down"
    rf"|exceeded (?:the |its |your )?max\w*|max\w* (?:number of )?{_COUNTED}|maximum credits|exceeded threshold",
    re.I,
)
_SENT = re.compile(
    rf"\b(?:daily|hourly|monthly|send\w*|sent|submi\w+|out(?:going|bound)|relay\w*|smtp|{_COUNTED}|throttl\w*|rate"
    r"|accounts?|plan|credits?|tenant|slow down|too (?:fast|quickly)|(?:per|an?|every|each|[0-9]+)[ -]?"
    r"(?:sec\w*|min\w*|hours?|h|days?|months?))\b",
    re.I,
)
_THEIRS = re.compile(
    r"\b(?:recipient|user)(?:'s \w+)? (?:has|is) (?:reached|over|at|receiv)|\breceived (?:mail|messages?)"
    r"|mailbox|\binbox\b|storage|\bdisk|over[ -]?quota|quota (?:is )?full|user (?:is |has )?(?:over|exceeded)|is full"
    r"|(?:trying|tried|want|attempt\w*) to (?:contact|reach)|is receiving|\bsizes?\b|too (?:large|big|long)|bytes\b"
    r"|\bhops?\b|\bloop|attach|header|\blinks?\b|connections?\b",
    re.I,
)
_YOURS = re.compile(
    r"\byou(?:'ve|r)?\b.{0,40}\b(?:sending|outgoing|outbound|hourly|daily|monthly|sent|submission)\b", re.I
)
"""Whose limit it is, where the status speaks of a mailbox: providers give 5.2.2 for both."""
_AGAIN_IN = re.compile(
    r"(?:again|reset\w*|retry|wait|renew\w*|lifted|expire\w*)\b\D{0,20}?([0-9]{1,5}(?:\.[0-9]+)?) ?"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hours?|hrs?|d|days?)\b",
    re.I,
)
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_WINDOWS = (
    (re.compile(r"month|credits?\b", re.I), MONTH),
    (re.compile(r"dail?y|\bdays?\b|24[ -]?h|tomorrow|midnight", re.I), DAY),
    (re.compile(r"hour|60[ -]?min|[0-9]/h\b", re.I), HOUR),
    (re.compile(r"minute|60[ -]?sec|[0-9]/m(?:in)?\b", re.I), MINUTE),
    (re.compile(r"second|\brate\b|throttl|too (?:fast|quickly)|slow down", re.I), SECOND),
)


def our_limit(status: str, text: str) -> float | None:
    """Seconds until we may send again at the latest, by a refusal's words; None where it names no limit of ours.

    1 asks us to send more slowly; 0 where nothing is said of when.
    """
    detail = status.partition(".")[2]
    if status not in _OURS and (
        (detail.startswith("2.") and not _YOURS.search(text))
        or detail == "3.4"
        or not _LIMIT.search(text)
        or not _SENT.search(text)
        or _THEIRS.search(text)
    ):
        return None
    if match := _AGAIN_IN.search(text):
        return max(float(match[1]) * _UNITS[match[2][0].lower()], SECOND)
    found = next((window for words, window in _WINDOWS if words.search(text)), 0.0)
    return found or (DAY if status in _OURS else 0.0)
