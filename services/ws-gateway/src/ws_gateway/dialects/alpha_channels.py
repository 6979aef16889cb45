"""Alpha Terminal's channels: their keys, welcomes and topics. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import name_token, symbol_token
from ws_gateway.dialects.timestamps import stamp

MAX_KEY_LENGTH: Final = 64
"""The longest ticker or agent name that a message can carry."""

_SHOWN: Final = ("alert", "signal", "market_data", "agent_insight", "narrative")
_OF_SYMBOL: Final = ("alert", "signal", "market_data")


@dataclass(frozen=True)
class AlphaChannel:
    """One channel of one client.

    Attributes:
        key: its internal name, which its server told in the welcome and in the statistics.
        words: the sentence of the welcome.
        topics: what of the bus it shows.
        about: the further fields of the welcome.
    """

    key: str
    words: str
    topics: tuple[str, ...]
    about: tuple[tuple[str, str], ...] = ()

    def welcome(self, now: datetime) -> bytes:
        """Return the first message that a client gets."""
        return orjson.dumps(
            {
                "type": "welcome",
                "channel": self.key,
                **dict(self.about),
                "message": self.words,
                "timestamp": stamp(now),
            }
        )


def unified() -> AlphaChannel:
    """Everything."""
    topics = tuple(by_name(name).pattern for name in _SHOWN)
    return AlphaChannel("unified", "Connected to Alpha Terminal unified stream", topics)


def signals() -> AlphaChannel:
    """All signals, and alerts; the dialect passes over the alerts that are no signals."""
    topics = (by_name("signal").pattern, by_name("alert").pattern)
    return AlphaChannel("signals", "Connected to signals stream", topics)


def market(symbol: str) -> AlphaChannel:
    """Everything about a ticker, however it is spelt.

    Raises:
        ValueError: it can be no ticker.
    """
    ticker = _checked(symbol).upper()
    topics = tuple(_topic(name, "{symbol}", symbol_token(ticker)) for name in _OF_SYMBOL)
    return AlphaChannel(
        f"market_{ticker}", f"Connected to {ticker} market stream", topics, (("symbol", ticker),)
    )


def agent(name: str) -> AlphaChannel:
    """The insights of an agent, however its name is spelt.

    Raises:
        ValueError: it can be no agent's name.
    """
    topic = _topic("agent_insight", "{agent}", name_token(_checked(name)))
    return AlphaChannel(
        f"agent_{name.lower()}", f"Connected to {name} agent stream", (topic,), (("agent", name),)
    )


def narrative() -> AlphaChannel:
    """The market told as a story."""
    return AlphaChannel("narrative", "Connected to Narrative Brain stream", (by_name("narrative").pattern,))


def is_alpha(key: str) -> bool:
    """Return whether *key* is the key of one of these channels."""
    return key in ("unified", "signals", "narrative") or key.startswith(("market_", "agent_"))


def _checked(name: str) -> str:
    if not 0 < len(name) <= MAX_KEY_LENGTH:
        raise ValueError(f"a name has 1 to {MAX_KEY_LENGTH} characters")
    return name


def _topic(entity: str, key: str, token: str) -> str:
    """Return the topic of *entity* whose part *key* is *token* and whose other parts are anything."""
    parts = by_name(entity).subject.split(".")
    return ".".join(token if part == key else "*" if part.startswith("{") else part for part in parts)
