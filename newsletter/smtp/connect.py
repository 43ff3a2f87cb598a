"""Open a connection to a relay that may carry mail: connect, greet, start TLS, log in.

aiosmtplib does it; the open transport then goes to smtp.connection. Off this machine, TLS is required and verified
(RFC 8314); it is never given up for plain text. On a loopback address plain text is used, unless there is a login and
the server offers STARTTLS. RelayTrouble says whether trying again helps.
"""

import asyncio
import contextlib
import functools
import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TypeVar

import aiosmtplib

from newsletter.errors import NewsletterError, Refused, TryAgainLater
from newsletter.smtp.login import NO_SECRETS, Secrets, TokenError, TokenSource
from newsletter.smtp.relay import Relay
from newsletter.smtp.reply import Action, Reply, parse_reply, verdict

TEST_INBOX = "newsletter test inbox"
"""What our test inbox says in its greeting."""
SILENT = 1.5
"""Seconds without a greeting after which we look whether the port speaks TLS from the start."""
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}\Z")
_HINT = "look at what [smtp] oauth prints, and whether its token may send mail as this user"


class RelayTrouble(Exception):  # noqa: N818 (not an error of ours: the relay is away, or refuses us)
    """No connection could be opened. `lasting`: trying again won't help until somebody mends something."""

    def __init__(self, relay: Relay, what: str, hint: str, *, lasting: bool, reply: Reply | None = None) -> None:
        super().__init__(f"{relay.name}: {what}; {hint}")
        self.relay = relay
        self.lasting = lasting
        self.reply = reply

    @property
    def error(self) -> NewsletterError:
        """What is said where this ends a command: with 75 what may be over later, with 3 what the relay refuses."""
        if not self.lasting:
            return TryAgainLater(str(self))
        return Refused(str(self)) if self.reply is not None else NewsletterError(str(self))


@dataclass(frozen=True, slots=True)
class Session:
    """An open, greeted, authenticated transport, and what the server offers."""

    transport: asyncio.Transport
    extensions: frozenset[str]  # lower case: "pipelining", "smtputf8", "dsn", …
    headers: bytes = b""  # that each message gets for this relay
    secrets: Secrets = NO_SECRETS  # never to be repeated, whatever the server says
    size: int = 0  # bytes of a message that it takes at most, as it says (RFC 1870); 0: it does not


class Connector:
    """Opens connections to one relay. Raises NewsletterError for a bad `ca_file`."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        if relay.ca_file:
            _ = self._context  # so that a bad one is told before anything is sent
        self._tokens = TokenSource(relay.oauth, relay.folder) if relay.oauth else None
        self._asked_for_tls = False  # once is enough: a slow relay may take offence

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        """Made when it is needed: to read the system's authorities takes 30 ms."""
        return _tls_context(self.relay)

    async def connect(self, patience: float) -> Session:
        """Open a connection that may carry mail. Raises RelayTrouble; `patience` in seconds for each step."""
        relay = self.relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.tls,
            start_tls=False,
            tls_context=self._context if relay.tls else None,
            timeout=patience,
            local_hostname=helo_name(socket.gethostname()),
        )
        secrets = Secrets.of(relay.user, relay.password)
        step = "connect"
        try:
            greeting = await self._reach(client)
            if TEST_INBOX in greeting and not relay.is_rehearsal:
                raise RelayTrouble(
                    relay, "is the test inbox, where nobody reads",
                    "set [smtp] url to your relay; `--dry-run` sends into the test inbox", lasting=True,
                )  # fmt: skip
            step = "EHLO"
            await _greet(client)
            wants_tls = not relay.is_loopback or bool(relay.user)
            if wants_tls and not relay.tls:
                if client.supports_extension("starttls"):
                    step = "STARTTLS"
                    await client.starttls(tls_context=self._context, server_hostname=relay.host)
                    step = "EHLO"
                    await _greet(client)
                elif not relay.is_loopback:
                    raise RelayTrouble(
                        relay, "offers no STARTTLS, and mail does not leave this machine in clear",
                        "use smtps://, another port, or another relay", lasting=True,
                    )  # fmt: skip
            if relay.user:
                step = "AUTH"
                secrets = await self._log_in(client, secrets)
        except TokenError as error:
            _hang_up(client)
            raise RelayTrouble(relay, str(error), "see [smtp] oauth", lasting=True) from None
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            _hang_up(client)
            raise _trouble(relay, step, error, secrets) from error
        except BaseException:
            _hang_up(client)
            raise
        transport = client.transport
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        extensions = frozenset(name.lower() for name in client.esmtp_extensions)
        size = client.esmtp_extensions.get("size", "").strip()
        most = int(size) if size.isascii() and size.isdigit() else 0
        return Session(transport, extensions, relay.headers, secrets, most)  # type: ignore[arg-type]

    async def _reach(self, client: aiosmtplib.SMTP) -> str:
        """Connect; the greeting's text. A port that waits for TLS says nothing, so it is asked."""
        if self.relay.tls:
            return str((await client.connect()).message)
        reaching = asyncio.ensure_future(client.connect())
        try:
            await asyncio.wait([reaching], timeout=SILENT)
            if not reaching.done() and not self._asked_for_tls:
                self._asked_for_tls = True
                if await _speaks_tls(self.relay):
                    raise RelayTrouble(
                        self.relay, "speaks TLS from the start",
                        f"write smtps:// in place of smtp:// before {self.relay.name}", lasting=True,
                    )  # fmt: skip
            return str((await reaching).message)
        finally:
            if not reaching.done():
                reaching.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiosmtplib.SMTPException):
                    await reaching

    async def _log_in(self, client: aiosmtplib.SMTP, secrets: Secrets) -> Secrets:
        """With the password, or an access token, which is fetched anew if the one that was kept is refused."""
        relay = self.relay
        if self._tokens is None:
            if not client.supported_auth_methods:
                tokens = "xoauth2" in client.server_auth_methods
                known = "only tokens: set [smtp] oauth" if tokens else "no login that we know (PLAIN, LOGIN, CRAM-MD5)"
                raise RelayTrouble(
                    relay, f"takes {known}", "take the user out of [smtp] url, or use another port", lasting=True
                )
            await client.login(relay.user, relay.password)
            return secrets
        kept = self._tokens.kept
        token = await self._tokens.token()
        try:
            await client.auth_xoauth2(relay.user, token)
        except aiosmtplib.SMTPAuthenticationError as error:
            if token != kept:
                said = secrets.also(relay.user, token).hide(str(error.message))
                raise aiosmtplib.SMTPAuthenticationError(error.code, said) from None
            token = await self._tokens.token(refused=token)
            await client.auth_xoauth2(relay.user, token)
        return secrets.also(relay.user, token)


def _hang_up(client: aiosmtplib.SMTP) -> None:
    """At once: closing TLS politely waits for a peer that may never answer, and the loop may end before."""
    if client.transport is not None:
        client.transport.abort()  # type: ignore[attr-defined]
    client.close()


async def _speaks_tls(relay: Relay) -> bool:
    """Whether a port that keeps silent answers to TLS. Nothing is sent over it, so no certificate is looked at."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(5.0):
            _, writer = await asyncio.open_connection(relay.host, relay.port, ssl=context)
            writer.transport.abort()
            return True
    return False


def _tls_context(relay: Relay) -> ssl.SSLContext:
    """A context that verifies the relay's certificate and name. Raises NewsletterError for a bad `ca_file`."""
    try:
        return ssl.create_default_context(cafile=relay.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise NewsletterError(f"[smtp] ca_file can't be read ({reason}); name a PEM file", path=relay.ca_file) from None


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in (500, 502):
            raise
        await client.helo()


def helo_name(host: str) -> str:
    """A machine's name for EHLO: its full host name, or where that is none an address literal (RFC 5321 4.1.3)."""
    return host if _HOST.match(host) and len(host) <= 255 else "[127.0.0.1]"


def _trouble(relay: Relay, step: str, error: BaseException, secrets: Secrets) -> RelayTrouble:
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
        said = secrets.hide(str(error.message)).split("\n")
        if error.code < 200:  # aiosmtplib's own word on what is no reply
            what = f"does not speak SMTP at {step} ({said[0][:80].lower()})"
            return RelayTrouble(relay, what, "check the host and the port", lasting=False)
        reply = parse_reply([f"{error.code} {line}" for line in said], step)
        meaning = verdict(reply)
        if relay.oauth and step == "AUTH" and meaning.action is Action.STOP:
            return RelayTrouble(relay, f"{reply} (at {step})", _HINT, lasting=True, reply=reply)
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
