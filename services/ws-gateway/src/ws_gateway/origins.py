"""Which web pages may connect. Pure.

A browser names the page's origin and cannot be made to lie about it; programs send none and are let in.
"""

from __future__ import annotations

from collections.abc import Collection


def allowed(origin: str | None, host: str | None, listed: Collection[str]) -> bool:
    """Return whether a page of *origin* may connect to the gateway reached as *host*.

    Args:
        origin: the Origin header, None where there is none.
        host: the Host header; a page that the gateway itself served may always connect.
        listed: the allow-list; `*` lets every page in.
    """
    if origin is None or "*" in listed or origin in listed:
        return True
    return host is not None and origin.partition("://")[2] == host
