"""A burst of option prints that one of the upstream's rules found noteworthy. Pure."""

from datetime import date
from typing import ClassVar

from baleen_contracts.fields import (
    Count,
    Id,
    Ids,
    Label,
    Labels,
    Number,
    OptionSymbolText,
    OptionType,
    Premium,
    Price,
    Ratio,
    Strike,
    Symbol,
    Utc,
)
from baleen_contracts.message import Message
from baleen_contracts.tokens import symbol_token


class FlowAlert(Message):
    """A flow alert, from the socket or from its REST twin, which knows a few fields more.

    ``premium``, ``ask_side_premium``, ``bid_side_premium`` and ``size`` are of the alert's window;
    ``volume`` and the side volumes are of the contract and the session. ``price`` is the last fill of the
    window.
    """

    entity: ClassVar[str] = "flow_alert"
    type: ClassVar[str] = "uw.v1.flow_alert"

    id: Id
    symbol: Symbol
    option_symbol: OptionSymbolText
    expiry: date
    option_type: OptionType
    strike: Strike
    premium: Premium
    ask_side_premium: Premium | None = None
    bid_side_premium: Premium | None = None
    size: Count | None = None
    price: Price | None = None
    bid: Price | None = None
    ask: Price | None = None
    underlying_price: Price | None = None
    rule: Label | None = None
    rule_id: Id | None = None
    trade_count: Count | None = None
    expiry_count: Count | None = None
    volume: Count | None = None
    open_interest: Count | None = None
    volume_oi_ratio: Ratio | None = None
    started_at: Utc | None = None
    ended_at: Utc | None = None
    recorded_at: Utc | None = None
    has_sweep: bool | None = None
    has_floor: bool | None = None
    has_multi_leg: bool | None = None
    has_single_leg: bool | None = None
    all_opening_trades: bool | None = None
    ask_volume: Count | None = None
    bid_volume: Count | None = None
    mid_volume: Count | None = None
    no_side_volume: Count | None = None
    multi_leg_volume: Count | None = None
    stock_multi_leg_volume: Count | None = None
    implied_volatility: Number | None = None
    implied_volatility_start: Number | None = None
    implied_volatility_end: Number | None = None
    delta: Number | None = None
    gamma: Number | None = None
    theta: Number | None = None
    vega: Number | None = None
    rho: Number | None = None
    trade_ids: Ids = ()
    trade_codes: Labels = ()
    exchanges: Labels = ()
    sector: Label | None = None
    issue_type: Label | None = None
    market_cap: Premium | None = None
    next_earnings_date: date | None = None
    earnings_time: Label | None = None

    @property
    def subject(self) -> str:
        """One subject per underlying."""
        return "uw.v1.flow_alert." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """The upstream's id, the same on the socket and over REST."""
        return self.id
