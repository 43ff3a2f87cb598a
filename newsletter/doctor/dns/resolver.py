"""Ask a name server: bounded, remembered, and never raising for what a zone says.

Over UDP, and over TCP where the answer was cut short. An alias (CNAME) is followed, whether or not the server does it
for us. SERVFAIL is asked once more without DNSSEC, which tells a broken signature from a broken server. dnspython's
messages; what an answer means for mail is the other modules' business.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from dns.message import Message
    from dns.rdata import Rdata

SECONDS = 3.0
"""For each try; a resolver that walks the tree for us takes one or two."""
TRIES = 2
AT_ONCE = 16
ALIASES = 8
"""Of an alias that leads to an alias."""
SILENT = 4
"""Questions without any answer, one after the other from the start, after which the server counts as away."""

Kind = Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "TXT"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name has of one kind.

    `found`: `records` are texts, a TXT record's strings joined, an MX as "10 host", names without their last dot.
    `empty`: the name is there, and has none. `missing`: there is no such name. `trouble`: nobody could say, with the
    reason in words.
    """

    name: str
    outcome: Literal["found", "empty", "missing", "trouble"]
    records: tuple[str, ...] = ()
    strings: tuple[tuple[str, ...], ...] = ()  # of TXT records, as they were cut
    aliases: tuple[str, ...] = ()  # where the name led, one after the other
    trouble: str = ""

    @property
    def is_none(self) -> bool:
        """Is it sure that there is no such record?"""
        return self.outcome in ("empty", "missing")


@dataclass
class Resolver:
    """Asks `servers`, (address, port) each, in turn; counts what was `answered`, and what was not."""

    servers: Sequence[tuple[str, int]]
    seconds: float = field(default_factory=lambda: SECONDS)
    answered: int = 0
    silent: int = 0
    _known: dict[tuple[str, Kind], "asyncio.Future[Answer]"] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def is_away(self) -> bool:
        """Has no question been answered, of several?"""
        return self.silent >= SILENT and not self.answered

    @property
    def name(self) -> str:
        """The servers, as people write them."""
        return ", ".join(host if port == 53 else f"{host}:{port}" for host, port in self.servers)

    async def ask(self, name: str, kind: Kind) -> Answer:
        """What `name` has of `kind`; each question is asked once in a resolver's life."""
        key = name.rstrip(".").lower(), kind
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._follow(*key))
        return await asyncio.shield(self._known[key])

    async def addresses(self, name: str) -> tuple[list[str], str]:
        """The IPv4 and IPv6 addresses of a host; and why nobody could say, if so."""
        four, six = await asyncio.gather(self.ask(name, "A"), self.ask(name, "AAAA"))
        return [*four.records, *six.records], four.trouble or six.trouble

    async def _follow(self, name: str, kind: Kind) -> Answer:
        aliases: list[str] = []
        while True:
            answer = await self._once(aliases[-1] if aliases else name, kind)
            aliases += answer.aliases
            is_alias = bool(answer.aliases) and answer.outcome == "empty"
            if not is_alias or len(aliases) > ALIASES or len(set(aliases)) < len(aliases) or name in aliases:
                break
        if is_alias:
            return Answer(name, "trouble", aliases=tuple(aliases), trouble="its aliases (CNAME) lead round in a circle")
        return Answer(name, answer.outcome, answer.records, answer.strings, tuple(aliases), answer.trouble)

    async def _once(self, name: str, kind: Kind) -> Answer:
        import dns.exception
        import dns.flags
        import dns.message

        try:
            query = dns.message.make_query(name + ".", kind, use_edns=0, payload=1232)
        except (dns.exception.DNSException, UnicodeError):
            return Answer(name, "trouble", trouble="is no domain name")
        async with self._gate:
            if self.is_away:
                return Answer(name, "trouble", trouble="nobody answers")
            response, trouble = await self._exchange(query)
            if response is not None and response.rcode() == 2:
                query.flags |= dns.flags.CD
                unchecked, _ = await self._exchange(query)
                if unchecked is not None and unchecked.rcode() in (0, 3):
                    return Answer(name, "trouble", trouble="its DNSSEC signatures don't hold (SERVFAIL)")
        if response is None:
            return Answer(name, "trouble", trouble=trouble)
        return _read(name, kind, response)

    async def _exchange(self, query: "Message") -> tuple["Message | None", str]:
        """The answer of the first server that gives one, or why there is none."""
        import dns.asyncquery
        import dns.exception

        trouble = "nobody answers"
        for host, port in [server for _ in range(TRIES) for server in self.servers]:
            try:
                async with asyncio.timeout(self.seconds + 1):
                    response = await dns.asyncquery.udp(
                        query, host, port=port, timeout=self.seconds, raise_on_truncation=False
                    )
                    self.answered += 1
                    if not _is_cut(response):
                        return response, ""
                    trouble = "its answer is too long for UDP, and TCP port 53 gives none"
                    return await _over_tcp(query, host, port), ""
            except (dns.exception.DNSException, OSError, TimeoutError, EOFError) as error:
                if trouble == "nobody answers" and not isinstance(
                    error, dns.exception.Timeout | OSError | TimeoutError
                ):
                    trouble = "the answer can't be read"
            if self.is_away:
                break
        self.silent += 1
        return None, trouble


async def _over_tcp(query: "Message", host: str, port: int) -> "Message":
    """One question over a connection of its own (RFC 7766), which is closed whatever happens."""
    import dns.message

    reader, writer = await asyncio.open_connection(host, port)
    try:
        octets = query.to_wire()
        writer.write(len(octets).to_bytes(2, "big") + octets)
        length = int.from_bytes(await reader.readexactly(2), "big")
        response = dns.message.from_wire(await reader.readexactly(length))
        if not query.is_response(response):
            raise EOFError
        return response
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _is_cut(response: "Message") -> bool:
    import dns.flags

    return bool(response.flags & dns.flags.TC)


def _read(name: str, kind: Kind, response: "Message") -> Answer:
    """An answer out of a response; aliases in it are followed as far as it goes."""
    import dns.rcode
    import dns.rdatatype

    code = response.rcode()
    if code not in (0, 3):
        return Answer(name, "trouble", trouble=f"the name server answers {dns.rcode.to_text(code)}")
    wanted = dns.rdatatype.from_text(kind)
    here, aliases = name.lower(), list[str]()
    while True:
        sets = [found for found in response.answer if _plain(found.name.to_text()) == here]
        records = [record for found in sets if found.rdtype == wanted for record in found]
        target = next((_plain(found[0].target.to_text()) for found in sets if found.rdtype == dns.rdatatype.CNAME), "")
        if records or not target or target in aliases or kind == "CNAME":
            break
        aliases.append(target)
        here = target
    if records:
        strings = tuple(_strings(record) for record in records) if kind == "TXT" else ()
        texts = tuple(map("".join, strings)) or tuple(_text(record, kind) for record in records)
        return Answer(name, "found", texts, strings, tuple(aliases))
    return Answer(name, "missing" if code == 3 else "empty", aliases=tuple(aliases))


def _strings(record: "Rdata") -> tuple[str, ...]:
    return tuple(map(_shown, record.strings))  # type: ignore[attr-defined]


def _shown(octets: bytes) -> str:
    """A string of a TXT record, what is no text in it as zone files have it: `\\027`. A tab may stand in a record."""
    text = octets.decode("utf-8", "surrogateescape")
    return "".join(
        one
        if one.isprintable() or one == "\t"
        else "".join(f"\\{octet:03}" for octet in one.encode("utf-8", "surrogateescape"))
        for one in text
    )


def _text(record: "Rdata", kind: Kind) -> str:
    if kind == "MX":
        return f"{record.preference} {_plain(record.exchange.to_text())}".strip()  # type: ignore[attr-defined]
    return _plain(record.to_text())


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def open_resolver(config: Config) -> Resolver:
    """The name server of `[doctor] nameserver`, or the system's. Raises NewsletterError."""
    try:
        import dns.inet
        import dns.resolver
    except ImportError:
        raise NewsletterError(
            "the doctor asks DNS by dnspython, which is not installed; run `pip install 'newsletter-press[doctor]'`"
        ) from None
    given = config.doctor.nameserver.strip()
    if given:
        host, port = _server(given)
        if not host or not dns.inet.is_address(host):
            what = f"[doctor] nameserver: {given!r} is no name server; write its address, such as 127.0.0.1:5353"
            raise NewsletterError(what, **config.where("doctor", "nameserver"))
        return Resolver([(host, port)])
    try:
        system = dns.resolver.Resolver()
    except (dns.resolver.NoResolverConfiguration, OSError):
        raise NewsletterError("this machine names no name server; set [doctor] nameserver") from None
    return Resolver([(str(server), 53) for server in system.nameservers[:3]])


def _server(text: str) -> tuple[str, int]:
    """`127.0.0.1:5353`, `[::1]:53`, or an address alone; an empty host for what is none."""
    host, separator, port = text.rpartition(":")
    if text.count(":") > 1 and not text.startswith("["):
        host, separator, port = text, "", ""
    if not separator or text.endswith("]"):
        return text.strip("[]"), 53
    good = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    return (host.strip("[]"), int(port)) if good else ("", 0)
