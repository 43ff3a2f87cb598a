"""From which addresses a relay's mail comes, as far as that can be known from here.

A relay elsewhere: its host's addresses. One on this machine: those of ours that others can see, by asking the system
which address it would send from; no packet leaves for that.
"""

import ipaddress
import socket

from newsletter.doctor.dns.resolver import Resolver
from newsletter.doctor.identity import literal
from newsletter.smtp.relay import Relay

IPSource = ipaddress.IPv4Address | ipaddress.IPv6Address
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses of nobody (RFC 5737, 3849), to which a way leads all the same."""


async def sources_of(relay: Relay, resolver: Resolver) -> tuple[list[IPSource], str]:
    """Its addresses; and why there are none, or nobody could say."""
    if relay.is_loopback:
        found = own_addresses()
        return found, "" if found else "it is on this machine, whose public address is not known from here"
    if (written := literal(relay.host)) is not None:
        return [written], ""
    addresses, trouble = await resolver.addresses(relay.host)
    return [ipaddress.ip_address(one) for one in addresses], trouble


def own_addresses() -> list[IPSource]:
    """This machine's public addresses; none behind a router that translates them."""
    found: list[IPSource] = []
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                address = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
        except OSError:
            continue
        if address.is_global:
            found.append(address)
    return found
