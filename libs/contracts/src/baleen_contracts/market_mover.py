"""Stocks that move the most. Pure."""

from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Count, Number, Price, SignedPremium, Symbol, known
from baleen_contracts.message import Message, natural_key
from baleen_contracts.tokens import symbol_token

KNOWN_LISTS = ("top_gainers", "top_losers", "most_active", "net_impact")


class MarketMover(Message):
    """A stock's place among the movers of one snapshot.

    ``lists`` names every list it stands in (known: top_gainers, top_losers, most_active, net_impact); a
    stock that has left the last of them is told once more with no list, so that "the newest per ticker"
    never shows it for ever. ``rank`` counts from 1 within the first list. ``change_percent`` is in percent:
    1.5 is one and a half percent.
    """

    entity: ClassVar[str] = "market_mover"
    type: ClassVar[str] = "uw.v1.market_mover"

    symbol: Symbol
    lists: Annotated[tuple[Annotated[str, known(KNOWN_LISTS)], ...], Field(max_length=16)] = ()
    rank: Annotated[int, Field(ge=1, le=100_000)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    price: Price | None = None
    change: Number | None = None
    change_percent: Number | None = None
    volume: Count | None = None
    net_premium: SignedPremium | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "uw.v1.market_mover." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Ticker and the time of the snapshot."""
        return natural_key(self.symbol.upper(), self.occurred_at)
