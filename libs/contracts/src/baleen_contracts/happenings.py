"""Things that happen: headlines, trading halts, the account's own alerts. Pure."""

from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Id, Json, Label, Labels, Symbol, Text, known
from baleen_contracts.message import Message, digest, millis, natural_key
from baleen_contracts.tokens import symbol_token


class News(Message):
    """A headline. Since it may name several tickers or none, all headlines share one subject."""

    entity: ClassVar[str] = "news"
    type: ClassVar[str] = "uw.v1.news"

    headline: Annotated[str, Field(min_length=1, max_length=10_000)]
    source: Label | None = None
    symbols: Labels = ()
    is_truth_social: bool | None = None
    is_major: bool | None = None
    sentiment: Annotated[str, known(["positive", "neutral", "negative"])] | None = None
    tags: Labels = ()

    @property
    def subject(self) -> str:
        """One subject for all headlines."""
        return "uw.v1.news._"

    @property
    def identity(self) -> str:
        """Time, source and headline."""
        return f"{millis(self.occurred_at)}|{digest(self.source, self.headline)}"


class TradingHalt(Message):
    """A stock was halted, paused or resumed."""

    entity: ClassVar[str] = "trading_halt"
    type: ClassVar[str] = "uw.v1.trading_halt"

    symbol: Symbol
    state: Annotated[str, known(["halted", "paused", "resumed", "trading"])]
    reason: Label | None = None

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "uw.v1.trading_halt." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Ticker, time and state."""
        return natural_key(self.symbol.upper(), self.occurred_at, self.state)


class CustomAlert(Message):
    """An alert that the account's owner configured upstream; ``details`` depend on its kind."""

    entity: ClassVar[str] = "custom_alert"
    type: ClassVar[str] = "uw.v1.custom_alert"

    name: Text
    alert_type: Label
    config_id: Id | None = None
    symbol: Symbol | None = None
    symbol_type: Annotated[str, known(["stock", "option_chain"])] | None = None
    details: Json = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """One subject per ticker, and ``_`` for alerts about none."""
        return "uw.v1.custom_alert." + symbol_token(self.symbol)

    @property
    def identity(self) -> str:
        """Configuration, symbol and time: the socket gives no id."""
        return natural_key(
            self.config_id or digest(self.name, self.alert_type), self.symbol, self.occurred_at
        )
