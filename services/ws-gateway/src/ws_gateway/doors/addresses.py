"""Whose address a client has, proxies that we trust taken into account. Pure.

An address is what limits go by, so it is the client's and not that of the proxy in front of us, where the
operator says that there is one; from anybody else, what a header says of addresses is not believed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_HOPS: Final = 32
_SITE_BITS: Final = 64
"""Of an IPv6 address, what a site is given: whoever has one address has all that share these bits."""


def network_of(text: str) -> Network:
    """Return the network that an operator wrote down, such as 10.0.0.0/8, or one address.

    Raises:
        ValueError: it is none.
    """
    return ipaddress.ip_network(text, strict=False)


def client_of(peer: str | None, forwarded: Iterable[str], trusted: tuple[Network, ...]) -> str | None:
    """Return the address by which a client is limited; None for this machine, which is not.

    Args:
        peer: who connected, as the kernel says.
        forwarded: the X-Forwarded-For headers, in their order.
        trusted: the proxies whose headers are believed.
    """
    address = _address(peer)
    if address is None or not _is_in(address, trusted):
        return _limited(address)
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    for hop in reversed(hops[-_MAX_HOPS:]):
        named = _address(hop)
        if named is None:  # what stands further left was said by whoever wrote this
            break
        address = named
        if not _is_in(address, trusted):
            break
    return _limited(address, of_proxy=True)


def _limited(address: Address | None, *, of_proxy: bool = False) -> str | None:
    if address is None or (address.is_loopback and not of_proxy):
        return None
    if isinstance(address, ipaddress.IPv6Address):
        site = int(address) >> (128 - _SITE_BITS) << (128 - _SITE_BITS)
        return f"{ipaddress.IPv6Address(site)}/{_SITE_BITS}"
    return str(address)


def _address(text: str | None) -> Address | None:
    """Return the address in *text*, with or without a port; an IPv4 address in IPv6 spelling is itself."""
    if text is None:
        return None
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
