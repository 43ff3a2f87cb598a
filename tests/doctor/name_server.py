"""A name server on loopback with made zones, over UDP and TCP. It answers as resolvers do, and misbehaves by name."""

import contextlib
import functools
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


@dataclass
class Zones:
    """What the server knows: lines of zone files; `bad` names are answered by their word instead.

    Words: `silent`, `servfail`, `refused`, `unsigned` (SERVFAIL unless checking is disabled), `cut` (truncated over
    UDP), `cut-silent` (and no TCP), `garbage`.
    """

    text: str = ""
    bad: dict[str, str] = field(default_factory=dict)
    chases: bool = True
    asked: list[str] = field(default_factory=list)

    @functools.cached_property
    def sets(self) -> dict[tuple[str, str], list[str]]:
        """Records by name and type."""
        found: dict[tuple[str, str], list[str]] = {}
        for line in self.text.splitlines():
            if line.strip():
                name, _, kind, value = line.split(None, 3)
                found.setdefault((name.lower().rstrip("."), kind), []).append(value)
        return found

    def answer(self, octets: bytes, *, tcp: bool) -> bytes | None:
        """The response to a query, or None for none."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text().lower().rstrip(".")
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        word = self.bad.get(f"{name} {kind}") or self.bad.get(name, "")
        if word == "silent" or (word == "cut-silent" and tcp):
            return None
        if word == "garbage":
            return octets[:2] + b"\x84\x00\xff"
        response = dns.message.make_response(query, recursion_available=True)
        if word == "servfail" or (word == "unsigned" and not query.flags & dns.flags.CD):
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        if word == "refused":
            response.set_rcode(dns.rcode.REFUSED)
            return response.to_wire()
        if word.startswith("cut") and not tcp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        self._fill(response, name, kind)
        return response.to_wire(max_size=65535)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        sets = self.sets
        for _ in range(10):
            if values := sets.get((name, kind)):
                response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
                return
            if not (alias := sets.get((name, "CNAME"))):
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", alias[0]))
            name = alias[0].lower().rstrip(".")
            if not self.chases:
                return
        wild = f"*.{name.partition('.')[2]}"
        if (wild, kind) in sets and not any(known == name for known, _ in sets):
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *sets[(wild, kind)]))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in sets):
            response.set_rcode(dns.rcode.NXDOMAIN)


@contextlib.contextmanager
def name_server(zones: Zones) -> Iterator[str]:
    """Serve until the end of the block; its address, `127.0.0.1:PORT`."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, socket = self.request
            if (answer := zones.answer(octets, tcp=False)) is not None:
                socket.sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            octets = self.rfile.read(struct.unpack("!H", self.rfile.read(2))[0])
            if (answer := zones.answer(octets, tcp=True)) is not None:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp))
        while True:
            port = tcp.server_address[1]
            try:
                udp = opened.enter_context(socketserver.ThreadingUDPServer(("127.0.0.1", port), Udp))
                break
            except OSError:  # another test has that port
                tcp = opened.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp))
        threads = [threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02}) for one in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join()
