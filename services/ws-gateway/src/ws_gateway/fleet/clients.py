"""What an operator may know of a client: how it stands, what it hears, what it may; never its token."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ws_gateway.dialects.timestamps import stamp

if TYPE_CHECKING:
    from ws_gateway.hub.hub import Hub
    from ws_gateway.wire.wire import Wire

MAX_TOPICS: Final = 200
"""Topics, and patterns of rights, that are told of one client."""


def row_of(hub: Hub, wire: Wire) -> dict[str, Any]:
    """Return a client in short."""
    figures = _figures_of(hub, wire)
    kept = ("id", "label", "connected_at", "messages", "waiting_bytes", "lag_ms", "behind")
    return {
        **{name: figures[name] for name in kept},
        "dialect": family_of(wire),
        "address": address_of(wire),
        "subject": wire.identity.subject,
    }


def details_of(hub: Hub, wire: Wire) -> dict[str, Any]:
    """Return all that is known of a client."""
    wanted = getattr(wire.session, "wishes", ()) if wire.pen is None else wire.pen.lane.wishes
    wishes = sorted(wanted, key=lambda wish: wish.topic)  # on no lane while it catches up
    identity = wire.identity
    return {
        **_figures_of(hub, wire),
        "dialect": family_of(wire),
        "calls_itself": getattr(wire.session, "client", "") or None,  # where a dialect has names
        "address": address_of(wire),
        "subject": identity.subject,
        "may": {
            "subscribe": identity.subscribe[:MAX_TOPICS],
            "publish": identity.publish[:MAX_TOPICS],
            "admin": identity.admin,
            "until": identity.expires_at,
        },
        "topics": [
            {"topic": wish.topic, "filter": None if wish.filter is None else wish.filter.text}
            for wish in wishes[:MAX_TOPICS]
        ],
        "topics_not_told": max(0, len(wishes) - MAX_TOPICS),
    }


def _figures_of(hub: Hub, wire: Wire) -> dict[str, Any]:
    figures = asdict(hub.describe(wire))
    return {name: stamp(value) if isinstance(value, datetime) else value for name, value in figures.items()}


def family_of(wire: Wire) -> str:
    """Return the name of the dialect, without what it is made for where there are many of a kind."""
    return str(wire.session.dialect.name).partition(" ")[0]


def address_of(wire: Wire) -> str | None:
    """Return the address that the kernel knows of a client: the proxy's where one stands in front."""
    peer = wire.transport.get_extra_info("peername")
    return str(peer[0]) if peer else None
