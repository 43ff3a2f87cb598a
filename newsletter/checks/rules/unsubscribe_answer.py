"""Does anything answer at `[unsubscribe] url`? Asked over the network, and only when the user asks for it.

What mailbox providers do is done here, with a token that stands for nobody: they open the address, which must change
nothing, and post one click to it, which must answer 2xx at that very address (RFC 8058 section 3.1). The address is the
user's own word and may be a private one, while things are tried out.
"""

import ssl
from pathlib import Path

from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, make_token
from newsletter.checks.finding import Finding
from newsletter.checks.rule import Check, Violation, shorten
from newsletter.checks.rules.link_status import SECONDS, LinkStatus, ask_once
from newsletter.checks.sample import Sample

_ONE_CLICK = "List-Unsubscribe=One-Click"


async def check_unsubscribe(
    sample: Sample, base: str, secret: bytes, *, seconds: float = SECONDS, tls: ssl.SSLContext | None = None
) -> list[Finding]:
    """What is wrong with what answers below `base`, `[unsubscribe] url`; nothing where it answers as it must."""
    if UNSUBSCRIBE_ANSWER.name in sample.ignore:
        return []
    url = f"{base.rstrip('/')}/u/{make_token(secret, 'unsubscribe', TEST_EMAIL, TEST_ISSUE)}"
    opened = await ask_once("GET", url, _any, seconds=seconds, tls=tls)
    wrong = _wrong("opening it", opened, most=399)
    if not wrong:
        clicked = await ask_once("POST", url, _any, form=_ONE_CLICK, seconds=seconds, tls=tls)
        wrong = _wrong("one click", clicked, most=299)
    if not wrong:
        return []
    place = None
    if sample.config is not None:
        where = sample.config.where("unsubscribe", "url")
        place = (Path(where["path"]).name, where["line"] or 1)
    return [UNSUBSCRIBE_ANSWER.finding(Violation("error", f"{shorten(base, 60)} {wrong}", place))]


def _wrong(what: str, status: LinkStatus, most: int) -> str:
    if status.code is None:
        return status.reason
    if 200 <= status.code <= most:
        return ""
    away = f", a redirect to {shorten(status.moved, 60)}" if status.moved else ""
    return f"answers {what} with {status.code}{away}, not with 2xx"


def _any(_: object) -> bool:
    return True


UNSUBSCRIBE_ANSWER = Check(
    "unsubscribe-answer", lambda sample: (),
    {"error": "`[unsubscribe] url` does not answer a GET, or does not answer a one-click POST with 2xx, unredirected"},
    "The reader clicks and stays on the list; mailbox providers see it, and call the mail spam.",
    "docs/how-to/unsubscribe.md says what must answer there; without such pages, use [unsubscribe] mailto alone.",
    "https://www.rfc-editor.org/rfc/rfc8058#section-3.1",
)  # fmt: skip
