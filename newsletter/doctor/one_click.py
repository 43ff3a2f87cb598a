"""Unsubscribing from outside: what mailbox providers do with the address in List-Unsubscribe (RFC 8058).

They open it, which must change nothing, and post one click to it, in either encoding of a form, which must be answered
2xx at that very address, without a redirect, a cookie or a puzzle. Asked with a token that stands for nobody.
"""

import re
import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, load_secret, make_token
from newsletter.config.settings import Config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.web import WebAnswer, fetch

_PUZZLE = re.compile(
    r"just a moment|challenge-platform|cf-chl|captcha|verify (that )?you are (a )?human|enable javascript"
    r"|ddos protection|attention required|access denied",
    re.IGNORECASE,
)
_DONE = re.compile(r"(?:you (?:have been|are now|were)|successfully) unsubscribed|has been unsubscribed", re.IGNORECASE)
_BOUNDARY = "newsletter-doctor"
_FORMS = (
    ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
    (
        f"multipart/form-data; boundary={_BOUNDARY}",
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
        f"One-Click\r\n--{_BOUNDARY}--\r\n".encode("ascii"),
    ),
)  # fmt: skip
_HOW = "docs/how-to/unsubscribe.md says what must answer there"
CHECK = "one-click"


async def examine_one_click(
    config: Config, tls: ssl.SSLContext | None = None
) -> tuple[list[Diagnosis], datetime | None]:
    """How the public pages answer; and what time it is there, for the clock's sake."""
    base = config.unsubscribe.url.rstrip("/")
    if not base:
        if not config.unsubscribe.mailto:
            what = "there is no way to unsubscribe, so nothing is sent"
            return [Diagnosis(CHECK, "fail", what, "set [unsubscribe] url, or mailto")], None
        what = (
            "people unsubscribe by mail alone: Gmail's and Yahoo's one click, for who sends 5,000 a day, is not there"
        )
        return [Diagnosis(CHECK, "warn", what, "set [unsubscribe] url to the address of `newsletter serve`")], None
    if not base.startswith("https://"):
        what = f"[unsubscribe] url is {base}: one click is offered over https alone"
        return [Diagnosis(CHECK, "fail", what, "serve the pages over https, and write https:// there")], None
    url = f"{base}/u/{make_token(load_secret(config, to_look=True), 'unsubscribe', TEST_EMAIL, TEST_ISSUE)}"
    opened = await fetch("GET", url, tls=tls)
    fault = _fault(opened, "opening it") or _page_fault(opened)
    if fault:
        return [Diagnosis(CHECK, "fail", f"{_short(base)} {fault}", _HOW)], _date(opened)
    diagnoses = [Diagnosis(CHECK, "pass", f"opening {_short(base)} changes nothing")]
    for content_type, body in _FORMS:
        name = content_type.partition(";")[0]
        clicked = await fetch("POST", url, body=body, content_type=content_type, tls=tls)
        fault = _fault(clicked, f"one click ({name})", most=299)
        what = f"{_short(base)} {fault}" if fault else f"one click ({name}) is answered with {clicked.status}"
        diagnoses.append(Diagnosis(CHECK, "fail" if fault else "pass", what, _HOW if fault else ""))
    return diagnoses, _date(opened)


def _fault(answer: WebAnswer, what: str, most: int = 399) -> str:
    if answer.trouble:
        return answer.trouble
    if answer.headers.get("cf-mitigated") or (answer.status in (401, 403, 429, 503) and _PUZZLE.search(answer.text)):
        return f"puts a challenge page before {what}: mail programs can't solve it; let /u/ through"
    if 300 <= answer.status < 400 and most < 300:
        to = answer.headers.get("location", "nowhere")
        return f"answers {what} with {answer.status}, a redirect to {to}, which is not followed"
    if not 200 <= answer.status <= most:
        return f"answers {what} with {answer.status}, not with 2xx"
    return ""


def _page_fault(answer: WebAnswer) -> str:
    """What is wrong with the page that a reader, or a scanner, opens."""
    if _DONE.search(answer.text):
        return "unsubscribes whoever opens it: scanners of links open every one, so people are lost who never asked"
    if answer.status == 200 and _PUZZLE.search(answer.text) and "<form" not in answer.text.lower():
        return "puts a challenge page before the reader: let /u/ through"
    if answer.status == 200 and "method" not in answer.text.lower():
        return "shows a page without a button: whoever opens it can't leave"
    return ""


def _short(base: str) -> str:
    return f"{urlsplit(base).netloc}{urlsplit(base).path}"


def _date(answer: WebAnswer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
