"""Dealer exposure to the greeks: of a ticker, of a strike, of a strike at an expiry. Pure.

``_oi`` counts by open interest, ``_vol`` by session volume, ``_dir`` by the side of the prints. Calls are
taken as held by dealers, puts as sold by them. The upstream restates values within the day; the newest time
wins.
"""

from datetime import date
from typing import ClassVar

from baleen_contracts.fields import Exposure, Price, Strike, Symbol
from baleen_contracts.message import Message, natural_key
from baleen_contracts.tokens import strike_token, symbol_token


class Gex(Message):
    """A ticker's exposure over all strikes and expiries."""

    entity: ClassVar[str] = "gex"
    type: ClassVar[str] = "uw.v1.gex"

    symbol: Symbol
    price: Price | None = None
    gamma_oi: Exposure | None = None
    delta_oi: Exposure | None = None
    charm_oi: Exposure | None = None
    vanna_oi: Exposure | None = None
    gamma_vol: Exposure | None = None
    delta_vol: Exposure | None = None
    charm_vol: Exposure | None = None
    vanna_vol: Exposure | None = None
    gamma_dir: Exposure | None = None
    charm_dir: Exposure | None = None
    vanna_dir: Exposure | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "uw.v1.gex." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Ticker and time."""
        return natural_key(self.symbol.upper(), self.occurred_at)


class GexStrike(Message):
    """A ticker's exposure at one strike over all expiries.

    ``_ask_vol`` is what dealers sold, ``_bid_vol`` what they bought.
    """

    entity: ClassVar[str] = "gex_strike"
    type: ClassVar[str] = "uw.v1.gex_strike"

    symbol: Symbol
    strike: Strike
    price: Price | None = None
    call_gamma_oi: Exposure | None = None
    call_charm_oi: Exposure | None = None
    call_vanna_oi: Exposure | None = None
    call_delta_oi: Exposure | None = None
    put_gamma_oi: Exposure | None = None
    put_charm_oi: Exposure | None = None
    put_vanna_oi: Exposure | None = None
    put_delta_oi: Exposure | None = None
    call_gamma_vol: Exposure | None = None
    call_charm_vol: Exposure | None = None
    call_vanna_vol: Exposure | None = None
    call_delta_vol: Exposure | None = None
    put_gamma_vol: Exposure | None = None
    put_charm_vol: Exposure | None = None
    put_vanna_vol: Exposure | None = None
    put_delta_vol: Exposure | None = None
    call_gamma_ask_vol: Exposure | None = None
    call_gamma_bid_vol: Exposure | None = None
    put_gamma_ask_vol: Exposure | None = None
    put_gamma_bid_vol: Exposure | None = None
    call_charm_ask_vol: Exposure | None = None
    call_charm_bid_vol: Exposure | None = None
    put_charm_ask_vol: Exposure | None = None
    put_charm_bid_vol: Exposure | None = None
    call_vanna_ask_vol: Exposure | None = None
    call_vanna_bid_vol: Exposure | None = None
    put_vanna_ask_vol: Exposure | None = None
    put_vanna_bid_vol: Exposure | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker and strike."""
        return f"uw.v1.gex_strike.{symbol_token(self.symbol)}.{strike_token(self.strike)}"

    @property
    def identity(self) -> str:
        """Ticker, strike and time."""
        return natural_key(self.symbol.upper(), self.strike, self.occurred_at)


class GexStrikeExpiry(GexStrike):
    """A ticker's exposure at one strike of one expiry."""

    entity: ClassVar[str] = "gex_strike_expiry"
    type: ClassVar[str] = "uw.v1.gex_strike_expiry"

    expiry: date

    @property
    def subject(self) -> str:
        """One subject per ticker, expiry and strike."""
        where = f"{symbol_token(self.symbol)}.{self.expiry.isoformat()}.{strike_token(self.strike)}"
        return "uw.v1.gex_strike_expiry." + where

    @property
    def identity(self) -> str:
        """Ticker, expiry, strike and time."""
        return natural_key(self.symbol.upper(), self.expiry.isoformat(), self.strike, self.occurred_at)
