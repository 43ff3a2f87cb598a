"""Which addresses are on the internet: no others are asked for the sake of a message."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10", "5f00::/16"))
)  # local translation (RFC 8215), site-local (RFC 3879), segment routing (RFC 9602): some Pythons call them global


def is_public(address: Address) -> bool:
    """Whether an address is one on the internet, and not of this machine, this network or a special use."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _SPECIAL):
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
