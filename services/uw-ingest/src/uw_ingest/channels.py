"""What each upstream channel is: the feed it fills and how much silence is healthy.

Pure. A feed is what readers know (an entity of the catalogue, or the channel's own name while it is
carried raw); a channel is what upstream is asked for, with or without a ticker.
"""

from dataclasses import dataclass
from enum import StrEnum


class Rhythm(StrEnum):
    """How a channel behaves when all is well."""

    STEADY = "steady"  # something every few seconds while its market is open
    EVENTFUL = "eventful"  # only when something happens; silence says nothing
    POLLED = "polled"  # asked for over REST


class Hours(StrEnum):
    """When a channel may be expected to speak."""

    REGULAR = "regular"  # 09:30-16:00 New York on trading days
    EXTENDED = "extended"  # 04:00-20:00 New York on trading days
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind of upstream channel, without its ticker."""

    name: str
    feed: str
    rhythm: Rhythm
    hours: Hours = Hours.REGULAR
    typed: bool = True
    every: bool = True  # each message matters; a hole must be announced
    whole: bool = True  # can be had of all tickers at once
    by_ticker: bool = False  # can be had of one ticker


_STEADY, _EVENTFUL = Rhythm.STEADY, Rhythm.EVENTFUL

KINDS: dict[str, ChannelKind] = {
    kind.name: kind
    for kind in (
        ChannelKind("option_trades", "option_trade", _STEADY, by_ticker=True),
        ChannelKind("flow-alerts", "flow_alert", _EVENTFUL),
        ChannelKind("price", "price", _STEADY, Hours.EXTENDED, every=False, by_ticker=True),
        ChannelKind("gex", "gex", _STEADY, every=False, by_ticker=True),
        ChannelKind("gex_strike", "gex_strike", _STEADY, every=False, by_ticker=True),
        ChannelKind("gex_strike_expiry", "gex_strike_expiry", _STEADY, every=False, by_ticker=True),
        ChannelKind("lit_trades", "lit_trade", _STEADY, Hours.EXTENDED),
        ChannelKind("off_lit_trades", "dark_pool", _STEADY, Hours.EXTENDED),
        ChannelKind("market_tide", "market_tide", _STEADY),
        ChannelKind("net_flow", "net_flow", _STEADY, whole=False, by_ticker=True),
        ChannelKind("interval_flow", "interval_flow", _STEADY, every=False),
        ChannelKind("news", "news", _EVENTFUL, Hours.ALWAYS),
        ChannelKind("trading_halts", "trading_halt", _EVENTFUL, Hours.EXTENDED),
        ChannelKind("custom_alerts", "custom_alert", _EVENTFUL, Hours.ALWAYS),
        ChannelKind("contract_screener", "contract_screener", _STEADY, typed=False),
        ChannelKind("periscope", "periscope", _STEADY, typed=False, by_ticker=True),
        ChannelKind("interpolated_iv", "interpolated_iv", _EVENTFUL, typed=False, by_ticker=True),
        ChannelKind("iv_term_structure", "iv_term_structure", _EVENTFUL, typed=False, by_ticker=True),
        ChannelKind("futures_trades", "futures_trades", _EVENTFUL, Hours.ALWAYS, typed=False),
        ChannelKind("futures", "futures", _EVENTFUL, Hours.ALWAYS, typed=False, whole=False, by_ticker=True),
    )
}

_ASSUMED: dict[str, tuple[float, float]] = {
    "option_trades": (500.0, 20.0),
    "flow-alerts": (0.5, 0.0),
    "price": (1_000.0, 2.0),
    "gex": (500.0, 0.1),
    "gex_strike": (2_000.0, 20.0),
    "gex_strike_expiry": (5_000.0, 50.0),
    "lit_trades": (1_000.0, 0.0),
    "off_lit_trades": (400.0, 0.0),
    "net_flow": (0.0, 0.5),
    "interval_flow": (200.0, 0.0),
    "contract_screener": (200.0, 0.0),
}
"""Frames a second in market hours, of all tickers and of a busy one, until they are measured."""

POLLED_FEEDS: tuple[str, ...] = ("market_mover", "congress_trade")


def split(channel: str) -> tuple[str, str | None]:
    """Return a channel's kind and its ticker: ``gex:SPY`` is ``("gex", "SPY")``."""
    name, colon, ticker = channel.partition(":")
    return name, (ticker or None) if colon else None


def kind_of(channel: str) -> ChannelKind:
    """Return the kind of a channel; one nobody has described yet is carried raw under its own name."""
    name, _ = split(channel)
    known = KINDS.get(name)
    return known or ChannelKind(name, name, Rhythm.EVENTFUL, Hours.ALWAYS, typed=False, whole=False)


def feed_of(channel: str) -> str:
    """Return the feed which a channel fills."""
    return kind_of(channel).feed


_SURE = frozenset(
    {"option_trades", "price", "lit_trades", "off_lit_trades", "gex", "market_tide", "interval_flow"}
)
_SURE_BY_TICKER = frozenset({"gex", "net_flow"})  # these speak by the clock, whatever is traded


def sure_to_speak(channel: str) -> bool:
    """Tell whether half a minute of silence in market hours cannot be the channel's own.

    A steady channel of one ticker may pause as long as nobody trades it.
    """
    name, ticker = split(channel)
    return name in (_SURE if ticker is None else _SURE_BY_TICKER)


def assumed_weight(channel: str) -> float:
    """Return the frames a second that a channel is thought to send before anybody measured it."""
    name, ticker = split(channel)
    of_all, of_one = _ASSUMED.get(name, (1.0, 1.0))
    return of_all if ticker is None else of_one
