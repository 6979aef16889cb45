"""Where a client hands in its token, and how it is taken out of the request. Pure.

Once taken out, nothing that looks at the request later can show it: not the server's log of accepted
connections, not a traceback, not a route.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

SUBPROTOCOL: Final = "bearer."
"""What stands before a token among the subprotocols that a client offers."""
QUERY: Final = "token"
_AUTHORIZATION, _PROTOCOLS = b"authorization", b"sec-websocket-protocol"
_SCHEME: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token as it was handed in.

    Attributes:
        token: the token, unchecked.
        in_address: whether it stood in the address, which browsers keep and pass on.
    """

    token: str = field(repr=False)
    in_address: bool


def take_out(scope: MutableMapping[str, Any]) -> Bearer | None:
    """Return the token of a request, and leave none in its *scope*.

    Of several the one in the Authorization header counts, then the one among the subprotocols.
    """
    headed = _from_headers(scope)
    offered = _from_subprotocols(scope)
    asked = _from_query(scope)
    if headed is None and offered is None:
        return None if asked is None else Bearer(asked, in_address=True)
    return Bearer(headed or offered or "", in_address=asked is not None)


def _from_headers(scope: MutableMapping[str, Any]) -> str | None:
    found, kept = None, []
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name == _AUTHORIZATION and text[: len(_SCHEME)].lower() == _SCHEME:
            found = text[len(_SCHEME) :].strip()
        elif name == _PROTOCOLS and SUBPROTOCOL in text:
            offers = [offer for offer in map(str.strip, text.split(",")) if not offer.startswith(SUBPROTOCOL)]
            kept.append((name, ", ".join(offers).encode("latin-1")))
        else:
            kept.append((name, value))
    scope["headers"] = kept
    return found


def _from_subprotocols(scope: MutableMapping[str, Any]) -> str | None:
    offers: list[str] = scope.get("subprotocols", [])
    tokens = [offer[len(SUBPROTOCOL) :] for offer in offers if offer.startswith(SUBPROTOCOL)]
    if tokens:
        scope["subprotocols"] = [offer for offer in offers if not offer.startswith(SUBPROTOCOL)]
    return tokens[0] if tokens else None


def _from_query(scope: MutableMapping[str, Any]) -> str | None:
    query: bytes = scope.get("query_string", b"")
    if QUERY.encode() not in query and b"%" not in query:
        return None
    found, kept = None, []
    for part in query.split(b"&"):
        name, _, value = part.decode("latin-1").partition("=")
        if unquote_plus(name) == QUERY:
            found = unquote_plus(value)
        else:
            kept.append(part)
    scope["query_string"] = b"&".join(kept)
    return found
