"""Which web pages and which names of ours are let in. Pure.

A browser names the page's origin and cannot be made to lie about it; programs send none and are let in. The
Host header alone proves nothing: whoever owns a name can make it lead here, and then a page of that name is,
to the browser, our own. So a name is ours only if no stranger can own it:

- `localhost` and loopback addresses, on any port, so that a published port of a container works;
- the names in WS_GATEWAY_HOSTS;
- any address in digits, where the gateway listens beyond loopback: a page cannot rename an address.

Only from those is a page believed to be our own. Requests under other names are refused, pages or not, with
two exceptions for programs, whose pages stay strangers: `*` in WS_GATEWAY_HOSTS, and, beyond loopback, names
without a dot, as containers call each other.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::\d*)?", re.IGNORECASE)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Doors:
    """Under which names the gateway is reached, and which pages may reach it.

    Attributes:
        origins: pages that may connect, beside our own; `*` lets every page in.
        hosts: names of ours, lower case, without port; `*` serves every name.
        anywhere: whether the gateway listens beyond loopback.
    """

    origins: Collection[str]
    hosts: Collection[str] = ()
    anywhere: bool = False

    def serves(self, host: str | None) -> bool:
        """Return whether a request that names us *host* is answered; old programs name nobody."""
        if host is None or "*" in self.hosts or self._is_ours(host):
            return True
        name = _name_of(host)
        return self.anywhere and name != "" and "." not in name and ":" not in name

    def admits(self, origin: str | None, host: str | None) -> bool:
        """Return whether a page of *origin* may connect to the gateway, reached as *host*.

        Args:
            origin: the Origin header, None where there is none.
            host: the Host header.
        """
        if origin is None or "*" in self.origins or origin in self.origins:
            return True
        return host is not None and self._is_ours(host) and origin.partition("://")[2] == host

    def obeys(self, method: str, origin: str | None, host: str | None) -> bool:
        """Return whether an HTTP request may do what *method* does; reading is guarded by the browser."""
        return method in _SAFE_METHODS or self.admits(origin, host)

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        if name == "localhost" or name in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.anywhere or address.is_loopback


def _name_of(host: str) -> str:
    """Return the name in a Host header, lower case and without port, or nothing where there is none."""
    found = _HOST.fullmatch(host)
    return found["name"].strip("[]").rstrip(".").lower() if found else ""
