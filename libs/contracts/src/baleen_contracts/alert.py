"""An alert of trading code, a monitor or a person's tool. Pure."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Json, Label, Symbol, known
from baleen_contracts.message import PublishedMessage
from baleen_contracts.tokens import name_token, symbol_token


class Severity(StrEnum):
    """How much an alert matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Alert(PublishedMessage):
    """An alert.

    ``embed`` is a Discord embed, kept verbatim; a post with several puts the rest into ``more_embeds``.
    """

    entity: ClassVar[str] = "alert"
    type: ClassVar[str] = "alert.v1.alert"

    alert_type: Label
    source: Annotated[str, Field(min_length=1, max_length=200)]
    symbol: Symbol | None = None
    severity: Annotated[str, known(Severity)] | None = None
    title: Annotated[str, Field(max_length=1_000)] | None = None
    content: Annotated[str, Field(max_length=20_000)] | None = None
    embed: Json | None = None
    more_embeds: Annotated[tuple[Json, ...], Field(max_length=20)] = ()
    url: Annotated[str, Field(max_length=2_000)] | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """One subject per kind and ticker, and ``_`` for alerts about none."""
        return f"alert.v1.{name_token(self.alert_type)}.{symbol_token(self.symbol)}"
