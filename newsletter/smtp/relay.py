"""A relay: the SMTP server that we submit to. Its URL, limits, login and headers; connecting is smtp.connect's."""

import contextlib
import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.smtp.rate import Limit, Ramp, parse_rate

DEFAULT_PORTS = {"smtp": 587, "smtps": 465}
MAX_CONNECTIONS = 1000
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,75}\Z")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}\Z")
_OURS = frozenset(
    {
        "from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "sender", "return-path", "received",
        "mime-version", "feedback-id",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to submit, as whom, and how much at once."""

    host: str
    port: int
    tls: bool = False  # from the start ("smtps")
    user: str = ""
    password: str = field(default="", repr=False)
    connections: int = 10
    rate: tuple[Limit, ...] = ()
    ca_file: str = ""  # PEM; empty: the system's authorities
    headers: bytes = b""  # that this relay wants on each message, CRLF after each
    oauth: str = ""  # a command that prints an access token, in place of the password (XOAUTH2)
    folder: str = ""  # where that command is run; empty: where we are
    domains: frozenset[str] = frozenset()  # of recipients that it is bound to; empty: whom no other is bound to
    is_rehearsal: bool = False  # the test inbox is what is meant

    @property
    def name(self) -> str:
        """host:port, as shown and recorded."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def account(self) -> str:
        """What its limits are counted by: its name, and a digest of who logs in and of the domains it is bound to."""
        marks = (self.user, ",".join(sorted(self.domains)))
        return " ".join([self.name.lower(), *(hashlib.sha256(one.encode()).hexdigest()[:16] for one in marks if one)])

    @property
    def has_ramp(self) -> bool:
        """Whether a day's share grows from day to day."""
        return any(isinstance(rate, Ramp) for rate in self.rate)

    @property
    def is_loopback(self) -> bool:
        """Whether the bytes can't leave this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_relay(
    url: str,
    *,
    password: str = "",
    connections: int = 10,
    rate: str = "",
) -> Relay:
    """The relay of `smtp[s]://[user@]host[:port][?connections=N&rate=R&domains=D]`; the other arguments are defaults.

    Raises NewsletterError for what is no such URL. A password in it is refused: URLs end up in logs and histories.
    """
    shown = without_password(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise NewsletterError(f"{shown!r} is no relay; use smtp://user@host:587 or smtps://user@host:465") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise NewsletterError(f"{shown!r} is no relay; use smtp://user@host:587 or smtps://user@host:465")
    if parts.password is not None:
        raise NewsletterError(
            f"{shown!r} holds a password; take it out and set NEWSLETTER_SMTP__PASSWORD in the environment"
        )
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NewsletterError(f"{shown!r}: the port is a number from 1 to 65535; use smtp://host:587") from None
    if not host or port == 0 or any(char.isspace() or ord(char) < 33 for char in unquote(host)):
        raise NewsletterError(f"{shown!r} names no host; use smtp://user@host:587")
    if parts.path not in ("", "/") or parts.fragment:
        raise NewsletterError(f"{shown!r}: nothing may follow the host but ?connections=…&rate=…&domains=…")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := set(options) - {"connections", "rate", "domains"}:
        raise NewsletterError(f"{shown!r}: unknown option {min(unknown)!r}; known: connections, rate, domains")
    if "connections" in options:
        text = options["connections"][-1]
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_CONNECTIONS:
            raise NewsletterError(f"{shown!r}: connections is {text!r}; use a number from 1 to {MAX_CONNECTIONS}")
        connections = int(text)
    return Relay(
        host=host,
        port=port or DEFAULT_PORTS[scheme],
        tls=scheme == "smtps",
        user=unquote(parts.username or ""),
        password=password if parts.username else "",
        connections=connections,
        rate=parse_rate(options["rate"][-1] if "rate" in options else rate),
        domains=_domains(options["domains"][-1], shown) if "domains" in options else frozenset(),
    )


def _domains(text: str, shown: str) -> frozenset[str]:
    """Domains as they stand in addresses: in lower case and ASCII. Raises NewsletterError."""
    found = set()
    for word in filter(None, re.split(r"[,\s]+", text.strip().lower())):
        try:
            domain = word.removeprefix("@").encode("idna").decode("ascii")
        except UnicodeError:
            domain = ""
        if not _DOMAIN.match(domain):
            raise NewsletterError(f"{shown!r}: {word!r} is no domain; use domains=example.org,example.net")
        found.add(domain)
    if not found:
        raise NewsletterError(f"{shown!r}: domains is empty; use domains=example.org,example.net, or take it out")
    return frozenset(found)


def refuse_bound(relays: Sequence[Relay]) -> None:
    """Raise NewsletterError where every relay is bound to domains: somebody would be left without one."""
    if relays and all(relay.domains for relay in relays):
        bound = ", ".join(sorted({domain for relay in relays for domain in relay.domains})[:5])
        raise NewsletterError(
            f"every relay is bound to domains ({bound}), so nobody else could be sent to; leave `domains` out of one"
        )


def configured_relays(config: Config, urls: Sequence[str] = ()) -> tuple[Relay, ...]:
    """The relays of `[smtp]`, or those of `urls`, with its password, limits and authorities. Raises NewsletterError."""
    smtp = config.smtp
    if not (urls or smtp.urls):
        raise no_relay(config)
    with config.naming("smtp", "rate"):
        parse_rate(smtp.rate)
    with contextlib.nullcontext() if urls else config.naming("smtp", "url"):
        relays = [
            parse_relay(url, password=config.smtp_password(), connections=smtp.connections, rate=smtp.rate)
            for url in urls or smtp.urls
        ]
    with contextlib.nullcontext() if urls else config.naming("smtp", "url"):
        refuse_bound(relays)
    with config.naming("smtp", "headers"):
        headers = header_lines(smtp.headers)
    if smtp.oauth and not all(relay.user for relay in relays):
        what = "[smtp] oauth logs a user in, and the URL names none; use smtp://user@host:587"
        raise NewsletterError(what, **config.where("smtp", "oauth"))
    ca_file = str(config.root / smtp.ca_file) if smtp.ca_file else ""
    return tuple(
        replace(relay, ca_file=ca_file, headers=headers, oauth=smtp.oauth, folder=str(config.root)) for relay in relays
    )


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Header fields as they stand on the wire. Raises NewsletterError for what is none, or is ours to write."""
    lines = []
    for name, value in headers.items():
        if not _FIELD.match(name):
            raise NewsletterError(f"{name!r} is no header's name; use letters, digits and hyphens, such as X-Tag")
        if name.lower() in _OURS or name.lower().startswith(("content-", "list-", "resent-", "dkim-", "arc-")):
            raise NewsletterError(f"{name} is written by newsletter itself; take it out")
        if not value.isascii() or not value.isprintable() or len(name) + len(value) > 900:
            raise NewsletterError(f"{name}: the value is ASCII text on one line, at most 900 characters")
        lines.append(f"{name}: {value.strip()}\r\n")
    return "".join(lines).encode()


def no_relay(config: Config) -> NewsletterError:
    """What is said where a relay is needed and none is configured yet."""
    what = "no relay; set [smtp] url to yours, such as smtp://user@host:587"
    return NewsletterError(what, **config.where("smtp", "url"))


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    head, separator, rest = url.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{head}{separator}{userinfo.partition(':')[0]}{at}{host}"
