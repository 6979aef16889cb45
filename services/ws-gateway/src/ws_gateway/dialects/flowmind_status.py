"""What FlowMind's HTTP endpoints say, from what the feeds and the hub tell. Pure.

The gateway has no upstream connection of its own: how the upstream stands is what uw-ingest says about its
feeds on the bus, and says again and again. `connected` means that data can arrive, not that a socket exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from baleen_contracts.feed import FeedState
from ws_gateway.dialects.flowmind import CHANNELS, TICKER_CHANNELS, Channel

TRUSTED_FOR: Final = timedelta(seconds=75)
"""How long a feed's status holds; uw-ingest repeats each every 30 s while it lives."""

_CONNECTED: Final = frozenset({FeedState.LIVE, FeedState.QUIET, FeedState.BACKFILLING})
_JOINED: Final = _CONNECTED | {FeedState.STALE}
_POLLED: Final = frozenset({"market_mover", "congress_trade"})
_LISTED: Final = (*CHANNELS, *TICKER_CHANNELS)
_UPSTREAM_NAMES: Final = {channel.entity: channel.wire for channel in reversed(_LISTED)}


@dataclass(frozen=True)
class Clients:
    """What all workers know of their clients.

    Attributes:
        by_label: connections now, by the name they are counted under: the channel's id, or its name in
            frames where it is of one ticker.
        connects: connections so far.
        disconnects: of which have ended.
        messages: frames delivered.
        uptime: seconds since the oldest worker started.
    """

    by_label: Mapping[str, int]
    connects: int
    disconnects: int
    messages: int
    uptime: float


class Feeds:
    """The upstream as its feeds tell it."""

    def __init__(
        self, statuses: Iterable[Mapping[str, Any]], now: datetime, heard: Iterable[datetime] = ()
    ) -> None:
        """Read the newest status message of every feed, as it is *now*.

        Args:
            statuses: bodies of status messages, one a feed.
            now: the time.
            heard: when upstream messages have reached us since, which the statuses cannot know yet.
        """
        # A wish that cannot be served is told under its topic, and says nothing of the feeds.
        self._known = tuple(status for status in statuses if status["state"] != FeedState.REFUSED)
        self._heard = tuple(heard)
        self._now = now
        self._statuses = tuple(
            status
            for status in self._known
            if now - datetime.fromisoformat(status["occurred_at"]) <= TRUSTED_FOR
        )

    @property
    def enabled(self) -> bool:
        """Whether any feed is meant to run; without upstream and token none is."""
        return any(status["state"] != FeedState.DISABLED for status in self._statuses or self._known)

    @property
    def running(self) -> bool:
        """Whether uw-ingest lives and has something to do."""
        return self.enabled and bool(self._statuses)

    @property
    def connected(self) -> bool:
        """Whether data can arrive over the upstream's socket."""
        return any(
            status["state"] in _CONNECTED for status in self._statuses if status["feed"] not in _POLLED
        )

    @property
    def simulated(self) -> bool:
        """Whether the upstream is a simulator."""
        return any(status.get("simulated") for status in self._statuses)

    @property
    def why_disabled(self) -> str:
        """Why nothing is to be expected, in words."""
        if not self._known:
            return "WebSocket streaming not initialized (no feed has reported; is uw-ingest running?)"
        details = {status["detail"] for status in self._known if status.get("detail")}
        return f"WebSocket streaming not initialized ({'; '.join(sorted(details)) or 'UW_API_TOKEN not set'})"

    def connection(self) -> dict[str, Any]:
        """Return `uw_connection` of the status.

        `reconnect_attempts` is 1 while uw-ingest is reconnecting: it does not tell how often it has tried.
        """
        joined = sorted(
            _UPSTREAM_NAMES.get(status["feed"], status["feed"])
            for status in self._statuses
            if status["state"] in _JOINED
        )
        heard = [
            *self._heard,
            *(
                datetime.fromisoformat(status["last_message_at"])
                for status in self._known
                if status.get("last_message_at")
            ),
        ]
        return {
            "connected": self.connected,
            "running": self.running,
            "reconnect_attempts": 0 if self.connected else 1,
            "subscribed_channels": joined,
            "channel_count": len(joined),
            "last_message_seconds_ago": (
                max(0.0, round((self._now - max(heard)).total_seconds(), 1)) if heard else None
            ),
            "connection_uri": "uw-simulator" if self.simulated else "uw-ingest",
        }


def status(feeds: Feeds, clients: Clients) -> dict[str, Any]:
    """Return the body of `GET /status`; `simulated` is ours, so that nobody takes made-up data for real."""
    if not feeds.enabled:
        return {"status": "disabled", "message": feeds.why_disabled, "enabled": False}
    total = sum(clients.by_label.values())
    return {
        "status": "connected" if feeds.connected else "disconnected",
        "enabled": True,
        "uw_connection": feeds.connection(),
        "client_connections": {
            "total_connections": total,
            "total_connects": clients.connects,
            "total_disconnects": clients.disconnects,
            "total_messages_sent": clients.messages,
            "active_channels": len(clients.by_label),
            "channels": dict(clients.by_label),
            "uptime_seconds": round(clients.uptime, 1),
            "messages_per_second": round(clients.messages / clients.uptime, 2) if clients.uptime > 0 else 0,
        },
        "total_clients": total,
        "simulated": feeds.simulated,
    }


def channels(feeds: Feeds, clients: Clients) -> dict[str, Any]:
    """Return the body of `GET /channels`; a channel of one ticker counts those of every ticker."""
    listed = [
        {
            "id": channel.id,
            "name": channel.name,
            "endpoint": f"/api/stream{channel.path}",
            "description": channel.description,
            "active_subscribers": _subscribers(channel, clients.by_label),
            "verified": channel.verified,
        }
        for channel in _LISTED
    ]
    return {"channels": listed, "total_channels": len(listed), "enabled": feeds.enabled}


def _subscribers(channel: Channel, by_label: Mapping[str, int]) -> int:
    if not channel.of_ticker:
        return by_label.get(channel.id, 0)
    start = channel.name_of("")
    return sum(count for label, count in by_label.items() if label.startswith(start))


def health(feeds: Feeds, clients: Clients) -> tuple[int, dict[str, Any]]:
    """Return status code and body of `GET /health`; the uptime is the gateway's."""
    if not feeds.enabled:
        return 503, {"detail": "WebSocket streaming service not available"}
    if not feeds.connected:
        return 503, {"detail": "Not connected to Unusual Whales WebSocket"}
    return 200, {"status": "healthy", "connected": True, "uptime_seconds": round(clients.uptime, 1)}
