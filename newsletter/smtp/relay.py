"""A relay: the SMTP server that we submit to. Its URL, its limits, and opening a connection that may carry mail.

aiosmtplib connects, greets, starts TLS and logs in; the open transport then goes to smtp.connection. Off this
machine, TLS is required and verified (RFC 8314); it is never given up for plain text. On a loopback address plain text
is used, unless there is a login and the server offers STARTTLS. RelayTrouble says whether trying again helps.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.smtp.rate import Rate, parse_rate
from newsletter.smtp.reply import Action, Reply, parse_reply, verdict

DEFAULT_PORTS = {"smtp": 587, "smtps": 465}
MAX_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to submit, as whom, and how much at once."""

    host: str
    port: int
    tls: bool = False  # from the start ("smtps")
    user: str = ""
    password: str = field(default="", repr=False)
    connections: int = 10
    rate: tuple[Rate, ...] = ()
    ca_file: str = ""  # PEM; empty: the system's authorities

    @property
    def name(self) -> str:
        """host:port, as shown and recorded."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the bytes can't leave this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class RelayTrouble(Exception):  # noqa: N818 (not an error of ours: the relay is away, or refuses us)
    """No connection could be opened. `lasting`: trying again won't help until somebody mends something."""

    def __init__(self, relay: Relay, what: str, hint: str, *, lasting: bool, reply: Reply | None = None) -> None:
        super().__init__(f"{relay.name}: {what}; {hint}")
        self.relay = relay
        self.lasting = lasting
        self.reply = reply


def parse_relay(
    url: str,
    *,
    password: str = "",
    connections: int = 10,
    rate: str = "",
    ca_file: str = "",
) -> Relay:
    """The relay that `smtp[s]://[user@]host[:port][?connections=N&rate=R]` names; the other arguments are the defaults.

    Raises NewsletterError for what is no such URL. A password in it is refused: URLs end up in logs and histories.
    """
    shown = _without_password(url)
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
        raise NewsletterError(f"{shown!r}: nothing may follow the host but ?connections=…&rate=…")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := set(options) - {"connections", "rate"}:
        raise NewsletterError(f"{shown!r}: unknown option {min(unknown)!r}; known: connections, rate")
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
        ca_file=ca_file,
    )


def configured_relays(config: Config, urls: Sequence[str] = ()) -> tuple[Relay, ...]:
    """The relays of `[smtp]`, or those of `urls`, with its password, limits and authorities. Raises NewsletterError."""
    smtp = config.smtp
    if not (urls or smtp.urls):
        raise no_relay(config)
    with config.naming("smtp", "rate"):
        parse_rate(smtp.rate)
    with contextlib.nullcontext() if urls else config.naming("smtp", "url"):
        return tuple(
            parse_relay(
                url,
                password=config.smtp_password(),
                connections=smtp.connections,
                rate=smtp.rate,
                ca_file=str(config.root / smtp.ca_file) if smtp.ca_file else "",
            )
            for url in urls or smtp.urls
        )


def no_relay(config: Config) -> NewsletterError:
    """What is said where a relay is needed and none is configured yet."""
    what = "no relay; set [smtp] url to yours, such as smtp://user@host:587"
    return NewsletterError(what, **config.where("smtp", "url"))


def _without_password(url: str) -> str:
    head, separator, rest = url.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{head}{separator}{userinfo.partition(':')[0]}{at}{host}"


def tls_context(relay: Relay) -> ssl.SSLContext:
    """A context that verifies the relay's certificate and name. Raises NewsletterError for a bad `ca_file`."""
    try:
        return ssl.create_default_context(cafile=relay.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise NewsletterError(f"[smtp] ca_file can't be read ({reason}); name a PEM file", path=relay.ca_file) from None


@dataclass(frozen=True, slots=True)
class Session:
    """An open, greeted, authenticated transport, and what the server offers."""

    transport: asyncio.Transport
    extensions: frozenset[str]  # lower case: "pipelining", "smtputf8", "dsn", …


async def connect(relay: Relay, context: ssl.SSLContext, patience: float) -> Session:
    """Open a connection that may carry mail. Raises RelayTrouble; `patience` in seconds for each step."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls,
        start_tls=False,
        tls_context=context,
        timeout=patience,
        local_hostname=_helo_name(),
    )
    step = "connect"
    try:
        await client.connect()
        step = "EHLO"
        await _greet(client)
        wants_tls = not relay.is_loopback or bool(relay.user)
        if wants_tls and not relay.tls:
            if client.supports_extension("starttls"):
                step = "STARTTLS"
                await client.starttls(tls_context=context, server_hostname=relay.host)
                step = "EHLO"
                await _greet(client)
            elif not relay.is_loopback:
                raise RelayTrouble(
                    relay, "offers no STARTTLS, and mail does not leave this machine in clear",
                    "use smtps://, another port, or another relay", lasting=True,
                )  # fmt: skip
        if relay.user:
            step = "AUTH"
            if not client.supported_auth_methods:
                raise RelayTrouble(
                    relay, "takes no login that we know (PLAIN, LOGIN, CRAM-MD5)",
                    "take the user out of [smtp] url, or use another port", lasting=True,
                )  # fmt: skip
            await client.login(relay.user, relay.password)
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
        client.close()
        raise _trouble(relay, step, error) from error
    except BaseException:
        client.close()
        raise
    transport = client.transport
    assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
    return Session(transport, frozenset(name.lower() for name in client.esmtp_extensions))  # type: ignore[arg-type]


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in (500, 502):
            raise
        await client.helo()


def _helo_name() -> str:
    """This machine's name for EHLO: a full name, or an address literal (RFC 5321 section 4.1.3)."""
    name = socket.gethostname()
    return name if "." in name and all(part.isascii() and part for part in name.split(".")) else "[127.0.0.1]"


def _trouble(relay: Relay, step: str, error: BaseException) -> RelayTrouble:
    """What went wrong while connecting, in words, and whether it lasts."""
    if certificate := _cause(error, ssl.SSLCertVerificationError):
        reason = certificate.verify_message or str(certificate)
        return RelayTrouble(
            relay, f"its certificate can't be trusted ({reason.rstrip('.')})",
            "check the host's name in [smtp] url, or set [smtp] ca_file for a private authority", lasting=True,
        )  # fmt: skip
    if tls := _cause(error, ssl.SSLError):
        return RelayTrouble(
            relay, f"TLS failed ({tls.reason or tls})",
            "smtps:// is for ports that speak TLS from the start, smtp:// for STARTTLS", lasting=False,
        )  # fmt: skip
    if isinstance(error, aiosmtplib.SMTPResponseException):
        reply = parse_reply([f"{error.code} {line}" for line in str(error.message).split("\n")], step)
        meaning = verdict(reply)
        if meaning.action is Action.STOP:
            return RelayTrouble(relay, f"{reply} (at {step})", meaning.hint, lasting=True, reply=reply)
        return RelayTrouble(relay, f"{reply} (at {step})", "it asks us to try later", lasting=False, reply=reply)
    if dns := _cause(error, socket.gaierror):
        return RelayTrouble(relay, f"no such host ({dns.strerror})", "check [smtp] url", lasting=False)
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return RelayTrouble(relay, "no answer in time", "check the host, the port and firewalls", lasting=False)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return RelayTrouble(relay, str(error), "use another port or relay", lasting=True)
    if isinstance(error, aiosmtplib.SMTPConnectError) or not isinstance(error, aiosmtplib.SMTPException):
        number = _errno(error)
        reason = os.strerror(number).lower() if number else "nobody answers there"
        return RelayTrouble(relay, f"can't connect ({reason})", "is it running? check [smtp] url", lasting=False)
    return RelayTrouble(
        relay, f"the connection was lost at {step}", "check the port: smtp:// or smtps://", lasting=False
    )


def _errno(error: BaseException | None) -> int:
    """The system's error number behind it, 0 where there is none."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        error = error.__cause__ or error.__context__
    return 0


E = TypeVar("E", bound=BaseException)


def _cause(error: BaseException | None, kind: type[E]) -> E | None:
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
