"""Prints of the stock tape: on an exchange (lit) and off (dark pools, by way of a TRF). Pure."""

from datetime import date
from typing import ClassVar

from baleen_contracts.fields import Count, Label, Premium, Price, Symbol, Utc
from baleen_contracts.message import Message, natural_key
from baleen_contracts.tokens import symbol_token


class EquityPrint(Message):
    """What both tapes print. ``volume`` is the consolidated session volume, ``occurred_at`` the tape's time.

    Upstream's socket gives no id. Two prints that agree in everything the identity names are taken for one.
    """

    symbol: Symbol
    price: Price
    size: Count
    premium: Premium
    volume: Count | None = None
    nbbo_bid: Price | None = None
    nbbo_ask: Price | None = None
    nbbo_bid_size: Count | None = None
    nbbo_ask_size: Count | None = None
    settlement: Label | None = None
    trade_code: Label | None = None
    extended_hours_code: Label | None = None
    sale_condition: Label | None = None
    trf_executed_at: Utc | None = None
    tracking_id: Count | None = None
    market_center: Label | None = None
    sector: Label | None = None
    issue_type: Label | None = None
    average_volume_30d: Premium | None = None
    market_cap: Premium | None = None
    next_earnings_date: date | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return f"{self.type}.{symbol_token(self.symbol)}"

    @property
    def identity(self) -> str:
        """Ticker, second, price, size, cumulative volume and sale codes: what socket and REST both tell."""
        return natural_key(
            self.symbol.upper(),
            int(self.occurred_at.timestamp()),
            self.price,
            self.size,
            self.volume if self.volume is not None else "",
            self.trade_code or "",
            self.extended_hours_code or "",
            self.sale_condition or "",
        )


class DarkPool(EquityPrint):
    """A print off the exchanges. ``trf_executed_at``, where known, is when it really traded."""

    entity: ClassVar[str] = "dark_pool"
    type: ClassVar[str] = "uw.v1.dark_pool"


class LitTrade(EquityPrint):
    """A print on an exchange."""

    entity: ClassVar[str] = "lit_trade"
    type: ClassVar[str] = "uw.v1.lit_trade"
