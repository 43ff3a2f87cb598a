"""Do the links and pictures answer? Asked over the network, and only when the user asks for it.

HEAD, then GET where HEAD is not answered well; redirects are followed by hand. At each hop the host's name is resolved
once, addresses that are not public are refused, and the connection goes to the address that was checked, so a name that
changes its mind in between gains nothing. Two requests at a time for each host, ten seconds for each address.
HTTP/1.1: RFC 9112. Proxies are not used.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from newsletter.checks.finding import Finding
from newsletter.checks.rule import Check, Fault, count, place_of, shorten
from newsletter.checks.rules.images import FILE_MOST, IMAGE_SOURCE, heavy
from newsletter.checks.sample import Sample
from newsletter.css.parse import Element

SECONDS = 10.0
AT_A_TIME = 2
IN_ALL = 20
HOPS = 8
_HEADER_MOST = 64 * 1024
_AGENT = "newsletter-check"
_LATE = re.compile(r"\{\{|\{%|\*\||%7B%7B", re.IGNORECASE)
_SHY = {401, 403, 405, 429, 999}
_GONE_FOR_GOOD = {301, 308}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for an address: a status, or why there is none; `moved` is where it redirects for good; `size` is
    the bytes that the server announces, if it does."""

    status: int | None
    reason: str = ""
    moved: str = ""
    size: int | None = None


class _NoAnswer(Exception):  # noqa: N818 (an answer that is none)
    """Why there is no answer, in words for the finding."""


def is_public(address: Address) -> bool:
    """Whether an address is one on the internet, and not of this machine, this network or a special use."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


async def check_links(
    sample: Sample,
    answers: MutableMapping[str, Answer] | None = None,
    *,
    allowed: Callable[[Address], bool] = is_public,
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
) -> list[Finding]:
    """Ask every link and picture of the message once; findings of `link-dead`, of heavy pictures of `image-source`.

    `answers` remembers them between calls: keep one for a session. The addresses to unsubscribe by are not asked.
    """
    if LINK_DEAD.name in sample.ignore:
        return []
    known = answers if answers is not None else {}
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
                known[url] = Answer(None, f"does not answer within {seconds:g} seconds")

    async with asyncio.TaskGroup() as group:
        for url in places:
            if url not in known:
                group.create_task(ask_one(url))
    faults = (fault for url, element in places.items() if (fault := _fault(sample, url, known[url], element)))
    found = [LINK_DEAD.finding(fault) for fault in faults]
    return found if IMAGE_SOURCE.name in sample.ignore else found + list(_heavy(sample, known, places))


def _asked(sample: Sample) -> Iterator[tuple[str, Element]]:
    leave = sample.header("List-Unsubscribe") or ""
    for element in sample.all("a", "area", "img"):
        url = (element.get("src" if element.tag == "img" else "href") or "").strip()
        url = "https:" + url if url.startswith("//") else url
        if not re.match(r"https?://", url, re.IGNORECASE) or _LATE.search(url) or f"<{url}>" in leave:
            continue
        with contextlib.suppress(ValueError):  # no address at all, of which `link-target` speaks
            urlsplit(url)
            yield urldefrag(url).url, element


def _fault(sample: Sample, url: str, answer: Answer, element: Element) -> Fault | None:
    place = place_of(sample, element, "src" if element.tag == "img" else "href")
    if answer.status is None:
        return Fault("error", f"{shorten(url, 80)} {answer.reason}", place, element)
    if not 200 <= answer.status < 300:
        maybe = "; it may refuse programs only, so open it in a browser" if answer.status in _SHY else ""
        return Fault("error", f"{shorten(url, 80)} answers {answer.status}{maybe}", place, element)
    if answer.moved:
        what = f"{shorten(url, 80)} has moved for good to {shorten(answer.moved, 80)}"
        return Fault("info", what, place, element, "Write the new address.")
    return None


def _heavy(sample: Sample, known: MutableMapping[str, Answer], places: dict[str, Element]) -> Iterator[Finding]:
    for url, element in places.items():
        size = known[url].size or 0
        if element.tag == "img" and known[url].status == 200 and size > FILE_MOST:
            yield IMAGE_SOURCE.finding(Fault("warning", heavy(url, size), place_of(sample, element, "src"), element))


async def _ask(url: str, allowed: Callable[[Address], bool], tls: ssl.SSLContext) -> Answer:
    """Follow an address to its last answer."""
    moved, for_good, here = "", True, url
    for _ in range(HOPS):
        try:
            status, location, size = await _request("HEAD", here, allowed, tls)
            if status >= 400 or status < 200:
                status, location, size = await _request("GET", here, allowed, tls)
        except _NoAnswer as error:
            behind = "" if here == url else f" redirects to {shorten(here, 60)}, which"
            return Answer(None, f"{behind} {error}".strip())
        if not (300 <= status < 400 and location):
            return Answer(status, "", moved, size)
        try:
            here = urldefrag(urljoin(here, location)).url
        except ValueError:
            return Answer(None, f"redirects to {shorten(location, 60)}, which is no address")
        for_good = for_good and status in _GONE_FOR_GOOD
        moved = here if for_good else moved
    return Answer(None, f"redirects more than {count(HOPS, 'time')}")


async def _request(
    method: str, url: str, allowed: Callable[[Address], bool], tls: ssl.SSLContext
) -> tuple[int, str, int | None]:
    """Send one request; the status, the Location header and Content-Length. Raises _NoAnswer."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = (parts.hostname or "").rstrip(".")
        name = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:  # UnicodeError is one
        raise _NoAnswer("is no address") from None
    if parts.scheme not in {"http", "https"} or not name:
        raise _NoAnswer(f"is no web address but {parts.scheme or 'nothing'}:")
    address = await _resolve(name, port, allowed)
    target = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*") + (
        "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*?[]") if parts.query else ""
    )
    shown = f"[{name}]" if ":" in name else name
    authority = shown if port in {80, 443} else f"{shown}:{port}"
    head = f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {_AGENT}\r\nAccept: */*\r\n"
    secure = parts.scheme == "https"
    writer = None
    try:
        reader, writer = await asyncio.open_connection(
            str(address),
            port,
            limit=_HEADER_MOST,
            ssl=tls if secure else None,
            server_hostname=name if secure else None,
        )
        writer.write(f"{head}Connection: close\r\n\r\n".encode("ascii"))
        return _read_head(await reader.readuntil(b"\r\n\r\n"))
    except ssl.SSLCertVerificationError as error:
        raise _NoAnswer(f"has a bad certificate ({error.verify_message})") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it hangs up"
        raise _NoAnswer(f"does not answer ({reason})") from None
    finally:
        if writer is not None:
            writer.transport.abort()


async def _resolve(host: str, port: int, allowed: Callable[[Address], bool]) -> Address:
    """One allowed address of a host."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise _NoAnswer(f"leads to {host}, which does not exist") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if allowed(address):
            return address
    raise _NoAnswer("leads to a private address, which readers can't reach")


def _read_head(data: bytes) -> tuple[int, str, int | None]:
    lines = data.decode("latin-1").split("\r\n")
    match = re.match(r"HTTP/\d\.\d (\d{3})", lines[0])
    if not match:
        raise _NoAnswer("does not speak HTTP")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = fields.get("content-length", "")
    return int(match[1]), fields.get("location", ""), int(length) if re.fullmatch("[0-9]{1,15}", length) else None


LINK_DEAD = Check(
    "link-dead", lambda sample: (),
    {"error": "does not answer with 2xx, or leads to a private address", "info": "redirects for good"},
    "The reader clicks and finds nothing.",
    "Mend the address, or take the link out.",
    "https://www.rfc-editor.org/rfc/rfc9110#section-15",
)  # fmt: skip
