"""One print of the option tape. Pure."""

from datetime import date
from typing import Annotated, ClassVar

from baleen_contracts.fields import (
    Count,
    Id,
    Label,
    Labels,
    Number,
    OptionSymbolText,
    OptionType,
    Premium,
    Price,
    Sentiment,
    Side,
    Strike,
    Symbol,
    Utc,
    known,
)
from baleen_contracts.message import Message
from baleen_contracts.tokens import symbol_token

SideText = Annotated[str, known(Side, "Where the print stood against the quote")]
SentimentText = Annotated[str, known(Sentiment, "What the side suggests, not the intent")]


class OptionTrade(Message):
    """An option print.

    ``volume`` and the side volumes are of the contract and the session, this print included.
    """

    entity: ClassVar[str] = "option_trade"
    type: ClassVar[str] = "uw.v1.option_trade"

    id: Id
    symbol: Symbol
    option_symbol: OptionSymbolText
    expiry: date
    option_type: OptionType
    strike: Strike
    price: Price
    premium: Premium
    size: Count
    side: SideText
    sentiment: SentimentText
    underlying_price: Price | None = None
    volume: Count | None = None
    open_interest: Count | None = None
    nbbo_bid: Price | None = None
    nbbo_ask: Price | None = None
    ewma_nbbo_bid: Price | None = None
    ewma_nbbo_ask: Price | None = None
    implied_volatility: Number | None = None
    delta: Number | None = None
    gamma: Number | None = None
    theta: Number | None = None
    vega: Number | None = None
    rho: Number | None = None
    theoretical_price: Number | None = None
    ask_volume: Count | None = None
    bid_volume: Count | None = None
    mid_volume: Count | None = None
    no_side_volume: Count | None = None
    multi_leg_volume: Count | None = None
    stock_multi_leg_volume: Count | None = None
    exchange: Label | None = None
    trade_codes: Labels = ()
    report_flags: Labels = ()
    tags: Labels = ()
    recorded_at: Utc | None = None

    @property
    def subject(self) -> str:
        """One subject per underlying root, weekly index roots such as SPXW apart."""
        return "uw.v1.option_trade." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """The upstream's id."""
        return self.id
