"""Alpha Terminal's dialect: flat messages with a `type`, a welcome, ping and pong. Pure.

Each channel is a set of topics. `signals` and `divergence` are the exceptions: which alerts are meant is a
matter of their type, so these channels have dialects of their own that pass the others over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from ws_gateway.dialects.alpha_updates import (
    dark_pool_update,
    divergence_alert,
    gamma_update,
    health_update,
    is_about,
    options_flow_update,
)
from ws_gateway.dialects.timestamps import occurred, stamp
from ws_gateway.event import Event

NOT_SIGNALS: Final = frozenset(
    {
        "economic_event",
        "fed_watch",
        "fed_official",
        "breaking_news",
        "daily_recap",
        "startup",
        "earnings_intel",
        "reddit_hot",
        "reddit_emerging",
    }
)
"""The alert types that inform without calling for a trade."""


def _alert(body: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "type": "alert",
        "alert_type": body["alert_type"],
        "source": body["source"],
        "symbol": body.get("symbol"),
        "content": body.get("content"),
        "embed": _embed(body),
    }
    # One widget waits for this channel; the others look at the type and pass an unknown field over.
    return {**told, "channel": "squeeze"} if is_about("squeeze", body) else told


def _embed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Discord embed verbatim, or the least one that says the same: clients read its title."""
    embed: dict[str, Any] | None = body.get("embed")
    if embed is not None:
        return embed
    title = body.get("title") or body["alert_type"]
    return {"title": title, "description": body["content"]} if body.get("content") else {"title": title}


def _signal(body: Mapping[str, Any]) -> dict[str, Any]:
    signal = body["signal"]
    if "symbol" in body and "symbol" not in signal:
        signal = {"symbol": body["symbol"], **signal}
    return {"type": "signal", "signal": signal}


def _market_data(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "market_data", "symbol": body["symbol"], "data": body["data"]}


def _agent_insight(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "agent_insight", "agent": body["agent"], "insight": body["insight"]}


def _narrative(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "narrative", "narrative": body["narrative"]}


_TELL: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "alert": _alert,
    "signal": _signal,
    "market_data": _market_data,
    "agent_insight": _agent_insight,
    "narrative": _narrative,
    "dark_pool": dark_pool_update,
    "gex": gamma_update,
    "flow_alert": options_flow_update,
    "feed_status": health_update,
}


@dataclass(frozen=True)
class AlphaTerminal:
    """How Alpha Terminal's clients are spoken to.

    Attributes:
        on_unread: called for a text that is no JSON, which is counted and not answered.
    """

    on_unread: Callable[[], None]

    @property
    def seed(self) -> bool:
        """Clients know only the close codes of the application they were made for."""
        return True

    @property
    def name(self) -> str:
        """The dialect's name, under which frames are shared."""
        return "alpha_terminal"

    def encode(self, event: Event) -> bytes | None:
        """Return the message of *event*, or None for an entity that this protocol does not know.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        tell = _TELL.get(event.entity)
        if tell is None:
            return None
        body = event.data
        return orjson.dumps({**tell(body), "timestamp": occurred(body)})

    def hear(self, text: str, now: datetime) -> Sequence[bytes]:
        """Answer a ping; everything else is accepted in silence."""
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            self.on_unread()
            return ()
        if isinstance(said, dict) and said.get("type") == "ping":
            return (orjson.dumps({"type": "pong", "timestamp": stamp(now)}),)
        return ()

    def error(self, code: str, message: str, now: datetime) -> bytes:
        """Return a message of type `error`, which existing clients pass over."""
        return orjson.dumps({"type": "error", "code": code, "message": message, "timestamp": stamp(now)})


@dataclass(frozen=True)
class AlphaSignals(AlphaTerminal):
    """The dialect of the `signals` channel: alerts that only inform are left out.

    Attributes:
        not_signals: alert types, lower-case, that are no signals.
    """

    not_signals: frozenset[str] = NOT_SIGNALS

    @property
    def name(self) -> str:
        """The dialect's name; its frames are fewer, so they are not shared with the other channels."""
        return "alpha_terminal.signals"

    def encode(self, event: Event) -> bytes | None:
        """Return the flat message of *event*, or None for an alert that is no signal.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        if event.entity == "alert" and event.data["alert_type"].lower() in self.not_signals:
            return None
        return super().encode(event)


@dataclass(frozen=True)
class AlphaDivergence(AlphaTerminal):
    """The dialect of the `divergence` channel: alerts of that kind, told as updates."""

    @property
    def name(self) -> str:
        """The dialect's name; it says alerts differently, so its frames are not shared."""
        return "alpha_terminal.divergence"

    def encode(self, event: Event) -> bytes | None:
        """Return the update of *event*, or None for all but alerts of a divergence.

        Raises:
            ValueError, KeyError, TypeError: the body is no contract message of its entity.
        """
        if event.entity != "alert" or not is_about("divergence", event.data):
            return None
        body = event.data
        return orjson.dumps({**divergence_alert(body, _embed(body)), "timestamp": occurred(body)})
