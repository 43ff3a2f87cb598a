"""Do the links and pictures answer? Asked over the network, and only when the user asks for it.

HEAD, then GET where HEAD is not answered well; redirects are followed by hand, each hop a request of its own
(checks.request). Two requests at a time for each host, ten seconds for each address.
"""

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin, urlsplit

from newsletter.checks.finding import Finding
from newsletter.checks.public_address import Address, is_public
from newsletter.checks.rule import Check, Violation, count, place_of, shorten
from newsletter.checks.rules.images import FILE_MOST, IMAGE_SOURCE, heavy
from newsletter.checks.sample import Sample
from newsletter.css.parse import Element

SECONDS = 10.0
AT_A_TIME = 2
IN_ALL = 20
HOPS = 8
PAGE_MOST = 2 * 1024 * 1024
"""Bytes of a page that are read for its words."""
_PERSONAL = re.compile(r"\{\{|\{%|\*\||%7B%7B", re.IGNORECASE)
_SHY = {401, 403, 405, 429, 999}
_GONE_FOR_GOOD = {301, 308}


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What came back for an address."""

    code: int | None
    reason: str = ""  # why there is no code
    moved: str = ""  # where it redirects for good
    size: int | None = None  # bytes that the server announces, if it does


async def check_links(
    sample: Sample,
    statuses: MutableMapping[str, LinkStatus] | None = None,
    *,
    allowed: Callable[[Address], bool] = is_public,
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
) -> list[Finding]:
    """Ask every link and picture of the message once; findings of `link-dead`, of heavy pictures of `image-source`.

    `statuses` remembers them between calls: keep one for a session. The addresses to unsubscribe by are not asked.
    """
    if LINK_DEAD.name in sample.ignore:
        return []
    known = statuses if statuses is not None else {}
    places: dict[str, Element] = {}
    for url, element in _asked(sample):
        places.setdefault(url, element)
    context = tls or ssl.create_default_context()
    everyone = asyncio.Semaphore(IN_ALL)
    hosts: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_A_TIME))

    async def ask_one(url: str) -> None:
        async with hosts[urlsplit(url).hostname or ""], everyone:
            try:
                async with asyncio.timeout(seconds):
                    known[url] = await _ask(url, allowed, context)
            except TimeoutError:
                known[url] = LinkStatus(None, f"does not answer within {seconds:g} seconds")

    async with asyncio.TaskGroup() as group:
        for url in places:
            if url not in known:
                group.create_task(ask_one(url))
    violations = (
        violation for url, element in places.items() if (violation := _violation(sample, url, known[url], element))
    )
    found = [LINK_DEAD.finding(violation) for violation in violations]
    return found if IMAGE_SOURCE.name in sample.ignore else found + list(_heavy(sample, known, places))


def _asked(sample: Sample) -> Iterator[tuple[str, Element]]:
    leave = sample.header("List-Unsubscribe") or ""
    for element in sample.all("a", "area", "img"):
        url = (element.get("src" if element.tag == "img" else "href") or "").strip()
        url = "https:" + url if url.startswith("//") else url
        if not re.match(r"https?://", url, re.IGNORECASE) or _PERSONAL.search(url) or f"<{url}>" in leave:
            continue
        with contextlib.suppress(ValueError):  # no address at all, of which `link-target` speaks
            urlsplit(url)
            yield urldefrag(url).url, element


def _violation(sample: Sample, url: str, status: LinkStatus, element: Element) -> Violation | None:
    place = place_of(sample, element, "src" if element.tag == "img" else "href")
    if status.code is None:
        return Violation("error", f"{shorten(url, 80)} {status.reason}", place, element)
    if not 200 <= status.code < 300:
        maybe = "; it may refuse programs only, so open it in a browser" if status.code in _SHY else ""
        return Violation("error", f"{shorten(url, 80)} answers {status.code}{maybe}", place, element)
    if status.moved:
        what = f"{shorten(url, 80)} has moved for good to {shorten(status.moved, 80)}"
        return Violation("info", what, place, element, "Write the new address.")
    return None


def _heavy(sample: Sample, known: MutableMapping[str, LinkStatus], places: dict[str, Element]) -> Iterator[Finding]:
    for url, element in places.items():
        size = known[url].size or 0
        if element.tag == "img" and known[url].code == 200 and size > FILE_MOST:
            yield IMAGE_SOURCE.finding(
                Violation("warning", heavy(url, size), place_of(sample, element, "src"), element)
            )


async def link_status(url: str, allowed: Callable[[Address], bool], *, seconds: float = SECONDS) -> LinkStatus:
    """What comes back for one address in the end."""
    return (await fetch_text(url, allowed, most=0, seconds=seconds))[0]


async def fetch_text(
    url: str, allowed: Callable[[Address], bool], *, most: int = PAGE_MOST, seconds: float = SECONDS
) -> tuple[LinkStatus, str]:
    """What comes back for one address in the end, and the first `most` bytes of it as text."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            status = await _ask(url, allowed, ssl.create_default_context(), body, most)
    except TimeoutError:
        status = LinkStatus(None, f"does not answer within {seconds:g} seconds")
    return status, body.decode("utf-8", "replace")


async def _ask(
    url: str, allowed: Callable[[Address], bool], tls: ssl.SSLContext, body: bytearray | None = None, most: int = 0
) -> LinkStatus:
    """Follow an address to its last answer; `body` gets up to `most` bytes of it."""
    from newsletter.checks.request import Unreachable, request  # what speaks HTTP is loaded only for those who ask

    moved, for_good, here = "", True, url
    for _ in range(HOPS):
        try:
            status, location, size = 0, "", None
            if not most:
                status, location, size = await request("HEAD", here, allowed, tls)
            if status >= 400 or status < 200:
                status, location, size = await request("GET", here, allowed, tls, body=body, most=most)
        except Unreachable as error:
            behind = "" if here == url else f" redirects to {shorten(here, 60)}, which"
            return LinkStatus(None, f"{behind} {error}".strip())
        if not (300 <= status < 400 and location):
            return LinkStatus(status, "", moved, size)
        try:
            here = urldefrag(urljoin(here, location)).url
        except ValueError:
            return LinkStatus(None, f"redirects to {shorten(location, 60)}, which is no address")
        for_good = for_good and status in _GONE_FOR_GOOD
        moved = here if for_good else moved
    return LinkStatus(None, f"redirects more than {count(HOPS, 'time')}")


async def ask_once(
    method: str,
    url: str,
    allowed: Callable[[Address], bool],
    *,
    form: str = "",
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
) -> LinkStatus:
    """What comes back for one request that follows no redirect; `form` is the urlencoded body of a POST."""
    from newsletter.checks.request import Unreachable, request

    try:
        async with asyncio.timeout(seconds):
            status, location, _ = await request(method, url, allowed, tls or ssl.create_default_context(), form)
    except TimeoutError:
        return LinkStatus(None, f"does not answer within {seconds:g} seconds")
    except Unreachable as error:
        return LinkStatus(None, str(error))
    return LinkStatus(status, moved=location)


LINK_DEAD = Check(
    "link-dead", lambda sample: (),
    {"error": "does not answer with 2xx, or leads to a private address", "info": "redirects for good"},
    "The reader clicks and finds nothing.",
    "Fix the address, or take the link out.",
    "https://www.rfc-editor.org/rfc/rfc9110#section-15",
)  # fmt: skip
