"""Trades that members of the US congress disclosed. Pure."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Id, Premium, Text, known
from baleen_contracts.message import Message, digest, natural_key
from baleen_contracts.tokens import symbol_token

_Name = Annotated[str, Field(min_length=1, max_length=300)]


class CongressTrade(Message):
    """A disclosed trade. ``occurred_at`` is midnight UTC of the filing date; the trade may be months older.

    ``symbol`` is what was filed and need not be a ticker. ``amount`` is the range as filed, ``amount_low``
    and ``amount_high`` its ends in US dollars (an open range has no high end). Two lots filed in equal
    words are taken for one.
    """

    entity: ClassVar[str] = "congress_trade"
    type: ClassVar[str] = "uw.v1.congress_trade"

    politician: _Name
    politician_id: Id | None = None
    reporter: _Name | None = None
    chamber: Annotated[str, known(["house", "senate"])] | None = None
    is_active: bool | None = None
    symbol: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    owner: (
        Annotated[str, Field(max_length=300, description="Whose trade: self, spouse, joint … or a company")]
        | None
    ) = None
    transaction_type: Annotated[
        str, Field(min_length=1, max_length=100, description="As filed: Buy, Sell (partial) …")
    ]
    amount: Annotated[str, Field(max_length=100)] | None = None
    amount_low: Premium | None = None
    amount_high: Premium | None = None
    traded_on: date
    filed_on: date
    is_late: bool | None = None
    notes: Text | None = None

    @property
    def subject(self) -> str:
        """One subject per filed symbol, and ``_`` for what has none."""
        return "uw.v1.congress_trade." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Politician, symbol, both dates, kind, amount and owner."""
        return natural_key(
            self.politician_id or self.politician,
            self.symbol,
            self.traded_on.isoformat(),
            self.filed_on.isoformat(),
            digest(self.transaction_type, self.amount, self.owner),
        )
