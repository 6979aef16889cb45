"""The last price of a stock. Pure."""

from typing import ClassVar

from baleen_contracts.fields import Count, Symbol
from baleen_contracts.fields import Price as Dollars
from baleen_contracts.message import Message, natural_key
from baleen_contracts.tokens import symbol_token


class Price(Message):
    """The last price of a stock and its session volume."""

    entity: ClassVar[str] = "price"
    type: ClassVar[str] = "uw.v1.price"

    symbol: Symbol
    price: Dollars
    volume: Count | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "uw.v1.price." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Ticker, time and volume."""
        volume = self.volume if self.volume is not None else ""
        return natural_key(self.symbol.upper(), self.occurred_at, volume, self.price)
