"""Alpha Terminal's channels: their keys, welcomes and topics. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import name_token
from ws_gateway.dialects.path_keys import checked, ticker_of, topic_of, topic_of_ticker
from ws_gateway.dialects.timestamps import stamp

_SHOWN: Final = ("alert", "signal", "market_data", "agent_insight", "narrative")
_OF_SYMBOL: Final = ("alert", "signal", "market_data")
_WHOLE: Final = ("unified", "signals", "narrative", "divergence", "health")
_KEYED: Final = ("market_", "agent_", "darkpool_", "gamma_", "options_")


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
    """Everything that trading code says."""
    topics = tuple(by_name(name).pattern for name in _SHOWN)
    return AlphaChannel("unified", "Connected to Alpha Terminal unified stream", topics)


def signals() -> AlphaChannel:
    """All signals, and alerts; the dialect passes over the alerts that are no signals."""
    topics = (by_name("signal").pattern, by_name("alert").pattern)
    return AlphaChannel("signals", "Connected to signals stream", topics)


def market(symbol: str) -> AlphaChannel:
    """Everything that trading code says about a ticker, however it is spelt.

    Raises:
        ValueError: it can be no ticker.
    """
    return _of_ticker("market", symbol, "market stream", _OF_SYMBOL)


def dark_pool(symbol: str) -> AlphaChannel:
    """A ticker's prints off the exchanges.

    Raises:
        ValueError: it can be no ticker.
    """
    return _of_ticker("darkpool", symbol, "dark pool stream", ("dark_pool",))


def gamma(symbol: str) -> AlphaChannel:
    """A ticker's gamma exposure.

    Raises:
        ValueError: it can be no ticker.
    """
    return _of_ticker("gamma", symbol, "gamma stream", ("gex",))


def options(symbol: str) -> AlphaChannel:
    """A ticker's flow alerts.

    Raises:
        ValueError: it can be no ticker.
    """
    return _of_ticker("options", symbol, "options flow stream", ("flow_alert",))


def agent(name: str) -> AlphaChannel:
    """The insights of an agent, however its name is spelt.

    Raises:
        ValueError: it can be no agent's name.
    """
    topic = topic_of("agent_insight", "{agent}", name_token(checked(name)))
    return AlphaChannel(
        f"agent_{name.lower()}", f"Connected to {name} agent stream", (topic,), (("agent", name),)
    )


def narrative() -> AlphaChannel:
    """The market told as a story."""
    return AlphaChannel("narrative", "Connected to Narrative Brain stream", (by_name("narrative").pattern,))


def divergence() -> AlphaChannel:
    """Alerts; the dialect passes over those that are of no divergence."""
    return AlphaChannel("divergence", "Connected to divergence stream", (by_name("alert").pattern,))


def health() -> AlphaChannel:
    """How the feeds stand."""
    return AlphaChannel("health", "Connected to health stream", (by_name("feed_status").pattern,))


def is_alpha(key: str) -> bool:
    """Return whether *key* is the key of one of these channels."""
    return key in _WHOLE or key.startswith(_KEYED)


def _of_ticker(kind: str, symbol: str, words: str, entities: tuple[str, ...]) -> AlphaChannel:
    ticker = ticker_of(symbol)
    topics = tuple(topic_of_ticker(name, ticker) for name in entities)
    return AlphaChannel(f"{kind}_{ticker}", f"Connected to {ticker} {words}", topics, (("symbol", ticker),))
