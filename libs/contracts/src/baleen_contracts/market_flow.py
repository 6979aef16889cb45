"""Sums over option flow: of the market, of a ticker, of an interval. Pure.

Net premium is ask side less bid side; prints at the mid count for neither.
"""

from typing import Annotated, ClassVar

from baleen_contracts.fields import (
    Count,
    Number,
    Price,
    SignedCount,
    SignedPremium,
    Symbol,
    Utc,
    known,
)
from baleen_contracts.message import Message, millis, natural_key
from baleen_contracts.tokens import name_token, symbol_token


class MarketTide(Message):
    """Net flow of the whole market: an increment of about two seconds, which readers sum up."""

    entity: ClassVar[str] = "market_tide"
    type: ClassVar[str] = "uw.v1.market_tide"

    net_call_premium: SignedPremium
    net_put_premium: SignedPremium
    net_volume: SignedCount | None = None
    otm_net_call_premium: SignedPremium | None = None
    otm_net_put_premium: SignedPremium | None = None
    otm_net_volume: SignedCount | None = None

    @property
    def subject(self) -> str:
        """One subject for the market."""
        return "uw.v1.market_tide._"

    @property
    def identity(self) -> str:
        """The time."""
        return str(millis(self.occurred_at))


class NetFlow(Message):
    """Net flow of one ticker: an increment of about two seconds, which readers sum up."""

    entity: ClassVar[str] = "net_flow"
    type: ClassVar[str] = "uw.v1.net_flow"

    symbol: Symbol
    net_call_premium: SignedPremium
    net_put_premium: SignedPremium
    net_call_volume: SignedCount | None = None
    net_put_volume: SignedCount | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "uw.v1.net_flow." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Ticker and time."""
        return natural_key(self.symbol.upper(), self.occurred_at)


class IntervalFlow(Message):
    """A ticker's option flow in five minutes, told again while the window fills; the newest telling wins.

    ``cum_…`` count the session, the rest the window. Implied moves and volatilities are in basis points.
    """

    entity: ClassVar[str] = "interval_flow"
    type: ClassVar[str] = "uw.v1.interval_flow"

    symbol: Symbol
    interval_type: Annotated[str, known(["all", "otm_only"], "Which contracts are counted")]
    started_at: Utc
    call_volume: Count | None = None
    put_volume: Count | None = None
    transactions: Count | None = None
    call_ask_volume: Count | None = None
    call_bid_volume: Count | None = None
    call_neutral_volume: Count | None = None
    put_ask_volume: Count | None = None
    put_bid_volume: Count | None = None
    put_neutral_volume: Count | None = None
    call_sweep_volume: Count | None = None
    put_sweep_volume: Count | None = None
    call_floor_volume: Count | None = None
    put_floor_volume: Count | None = None
    call_cross_volume: Count | None = None
    put_cross_volume: Count | None = None
    call_multi_leg_volume: Count | None = None
    put_multi_leg_volume: Count | None = None
    net_call_premium: SignedPremium | None = None
    net_put_premium: SignedPremium | None = None
    cum_net_call_delta: Number | None = None
    cum_net_put_delta: Number | None = None
    delta_flow: Number | None = None
    gamma_flow: Number | None = None
    vega_flow: Number | None = None
    directional_delta_flow: Number | None = None
    directional_gamma_flow: Number | None = None
    directional_vega_flow: Number | None = None
    average_days_to_expiry: Number | None = None
    average_otm: Number | None = None
    average_size: Number | None = None
    average_premium: SignedPremium | None = None
    open: Price | None = None
    close: Price | None = None
    implied_move_30d_open: Number | None = None
    implied_move_30d_close: Number | None = None
    volatility_30d_open: Number | None = None
    volatility_30d_close: Number | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker and kind of interval."""
        return f"uw.v1.interval_flow.{symbol_token(self.symbol)}.{name_token(self.interval_type)}"

    @property
    def identity(self) -> str:
        """Ticker, kind, window and the tape's time, which lets a fuller telling of the window through."""
        transactions = self.transactions if self.transactions is not None else ""
        return natural_key(
            self.symbol.upper(), self.interval_type.lower(), self.started_at, self.occurred_at, transactions
        )
