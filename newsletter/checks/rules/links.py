"""Links as they stand: what they say and where they lead. Whether they answer is asked elsewhere, over the network."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from newsletter.checks.finding import Severity
from newsletter.checks.rule import Check, Violation, place_of, shorten
from newsletter.checks.sample import Sample, body_text, squeeze
from newsletter.css.parse import Element

URL_MOST = 40
_LATE = re.compile(r"\{\{|\{%|\*\||%7B%7B|%7B%25", re.IGNORECASE)
_SAYS_NOTHING = {
    "click here", "click", "here", "this link", "link", "click this link", "hier", "hier klicken", "klicken sie hier",
    "klick hier", "ici", "cliquez ici", "aquí", "haz clic aquí", "haga clic aquí", "pincha aquí", "qui", "clicca qui",
    "fai clic qui", "clique aqui", "aqui", "hier klikken", "klik hier", "kliknij tutaj", "tutaj", "klicka här",
}  # fmt: skip
_SHORTENERS = {
    "bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly", "t.ly",
    "rb.gy", "tiny.cc", "bl.ink", "lnkd.in", "dlvr.it", "v.gd", "bit.do", "adf.ly", "qr.ae", "amzn.to",
}  # fmt: skip
_TLDS = (
    "com|org|net|edu|gov|info|biz|eu|de|fr|es|it|nl|be|ch|at|uk|ie|se|no|dk|fi|pl|pt|cz|us|ca|au|nz|jp|cn|in|br|mx|ru|"
    "example|app|dev|blog|shop|news"
)
_HOST_TEXT = re.compile(rf"(?:https?://)?((?:[a-z0-9-]+\.)+(?:{_TLDS}))(?:[:/?#]\S*)?\Z")
_SECOND_LEVEL = {"co", "com", "org", "net", "ac", "gov", "edu", "gouv", "or", "ne"}


def link_text(sample: Sample) -> Iterator[Violation]:
    for link in _links(sample):
        text = link_name(link)
        if not text:
            if link.get("aria-hidden") == "true":
                continue
            target = shorten(link.get("href") or "", 50) or "nowhere"
            what = f"a link to {target} has no text: a screen reader spells its address"
            yield Violation("error", what, place_of(sample, link, "href"), link)
        elif text.casefold().strip(" .!:»›→>") in _SAYS_NOTHING:
            what = f"the link text {text!r} says nothing about where it leads, in a list of links or read aloud"
            yield Violation("warning", what, place_of(sample, link, "href"), link)
        elif len(text) > URL_MOST and re.match(r"(?:https?://|www\.)\S+\Z", text):
            what = f"a bare address of {len(text)} characters as link text: it is read aloud letter by letter"
            yield Violation("warning", what, place_of(sample, link, "href"), link)


def link_target(sample: Sample) -> Iterator[Violation]:
    names = {element.get("id") for element in sample.elements} | {element.get("name") for element in sample.all("a")}
    for link in _links(sample):
        href = re.sub(r"[\t\n\r]", "", link.get("href") or "").strip()
        for severity, what in _target(href, link_name(link), names):
            yield Violation(severity, what, place_of(sample, link, "href"), link)


def link_name(link: Element) -> str:
    """What a screen reader says of a link: its label, or its words and the alt texts of its pictures."""
    if label := squeeze(link.get("aria-label") or ""):
        return label
    pieces = [text for text, _ in body_text(link)]
    pieces += [image.get("alt") or "" for image in link.iter("img")]
    return squeeze(" ".join(pieces)) or squeeze(link.get("title") or "")


def _links(sample: Sample) -> Iterator[Element]:
    for link in sample.all("a", "area"):
        if link.get("href") is not None and not sample.hidden(link):
            yield link


def _target(href: str, text: str, names: set[str | None]) -> Iterator[tuple[Severity, str]]:
    if _LATE.search(href):
        return  # `leftover` speaks of it
    if not href or href == "#":
        yield "error", f"the link {shorten(text)!r} leads nowhere"
        return
    if href.startswith("#"):
        if unquote(href[1:]) not in names:
            yield "error", f"the link {shorten(text)!r} leads to {href}, which is not in the message"
        return
    try:
        parts = urlsplit("https:" + href if href.startswith("//") else href)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        yield "error", f"{shorten(href)} is no address"
        return
    scheme = parts.scheme.lower()
    if scheme in {"http", "https"}:
        yield from _web(scheme, host, href, text)
    elif not scheme or "." in scheme:
        yield "error", f"{shorten(href)} is no full address: in a mailbox there is nothing that it is relative to"
    elif scheme in {"javascript", "data", "vbscript", "file", "blob"}:
        yield "error", f"clients remove links that begin with {scheme}:, so {shorten(text)!r} does nothing"
    elif scheme == "mailto" and "@" not in unquote(parts.path) and "to=" not in parts.query.lower():
        yield "error", f"{shorten(href)} names nobody to write to"


def _web(scheme: str, host: str, href: str, text: str) -> Iterator[tuple[Severity, str]]:
    address = _address(host)
    if not host:
        yield "error", f"{shorten(href)} names no host"
    elif (
        host == "localhost"
        or host.endswith((".localhost", ".local", ".test"))
        or (address is not None and (address.is_loopback or address.is_unspecified))
    ):
        yield "error", f"{shorten(href)} leads to this computer: no reader can open it"
    elif address is not None:
        yield "warning", f"{shorten(href)} names a bare IP address: filters take that for fraud"
    elif host.removeprefix("www.") in _SHORTENERS:
        yield "warning", f"{host} hides where the link leads: filters distrust it, since spam uses it too"
    elif scheme == "http":
        yield "warning", f"{shorten(href)} is not https: browsers warn before they open it"
    shown = _HOST_TEXT.match(text)
    if shown and host and not _same_site(shown[1], host):
        yield "warning", f"the text says {shown[1]}, the link leads to {host}: filters take that for fraud"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _same_site(one: str, other: str) -> bool:
    return _site(one) == _site(other)


def _site(host: str) -> str:
    """The part of a host's name that somebody registered; near enough without the public suffix list."""
    labels = host.lower().removeprefix("www.").split(".")
    take = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-take:])


LINKS = (
    Check(
        "link-text", link_text,
        {
            "error": "no text, no alt text, no label",
            "warning": "“click here” and its kind; a bare address over 40 characters",
        },
        "A screen reader lists links by their text; eyes jump to it.",
        "Let the link's words say where it leads; give a linked picture an alt text.",
        "https://www.w3.org/WAI/WCAG22/Understanding/link-purpose-in-context",
    ),
    Check(
        "link-target", link_target,
        {
            "error": "relative, to this computer, `#`, empty, to a place that is not in the message, `javascript:`",
            "warning": "http, a bare IP address, a shortener, text that names another site",
        },
        "The link does nothing, or a filter holds the message for fraud.",
        "Write the full https address that the reader is to open.",
        "https://support.google.com/a/answer/81126",
    ),
)  # fmt: skip
