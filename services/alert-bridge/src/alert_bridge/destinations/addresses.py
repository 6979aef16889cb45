"""Which network addresses a destination outside may have. Pure.

What is refused: this machine, private and link-local networks (where clouds keep their metadata), multicast
and whatever else is not the public internet, also where an IPv6 address carries such an IPv4 address.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")
_REFUSED = tuple(
    map(
        ip_network,
        ["192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001::/23", "3fff::/20", "5f00::/16"],
    )
)
"""Special blocks that Python's tables, of whichever version, may take for public."""


def is_public(address: str) -> bool:
    """Whether *address*, an IP address in its usual spelling, is on the public internet."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(map(_is_public, [ip, *_carried(ip)]))


def _carried(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses to which a router or the system may translate *ip*."""
    if isinstance(ip, IPv4Address):
        return []
    carried = [ip.ipv4_mapped, ip.sixtofour]
    if ip in _NAT64:
        carried.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [address for address in carried if address is not None]


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if any(ip in block for block in _REFUSED) or (isinstance(ip, IPv6Address) and ip.is_site_local):
        return False
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip in _NAT64):
        return True  # it is what it carries
    refused = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast
    return ip.is_global and not (refused or ip.is_reserved or ip.is_unspecified)
