"""What trading code says to screens: signals, market data, an agent's insight, the narrative. Pure."""

from typing import ClassVar

from baleen_contracts.fields import Json, Label, Symbol
from baleen_contracts.message import PublishedMessage
from baleen_contracts.tokens import name_token, symbol_token


class Signal(PublishedMessage):
    """A trading signal; its content is the publisher's."""

    entity: ClassVar[str] = "signal"
    type: ClassVar[str] = "signal.v1.signal"

    symbol: Symbol | None = None
    signal: Json

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "signal.v1." + symbol_token(self.symbol)


class MarketData(PublishedMessage):
    """A ticker's market data as the publisher sees it; the newest wins."""

    entity: ClassVar[str] = "market_data"
    type: ClassVar[str] = "market.v1.market_data"

    symbol: Symbol
    data: Json

    @property
    def subject(self) -> str:
        """One subject per ticker."""
        return "market.v1." + symbol_token(self.symbol)


class AgentInsight(PublishedMessage):
    """What an analysing agent found."""

    entity: ClassVar[str] = "agent_insight"
    type: ClassVar[str] = "agent.v1.agent_insight"

    agent: Label
    insight: Json

    @property
    def subject(self) -> str:
        """One subject per agent."""
        return "agent.v1." + name_token(self.agent)


class Narrative(PublishedMessage):
    """The market told as a story."""

    entity: ClassVar[str] = "narrative"
    type: ClassVar[str] = "narrative.v1.narrative"

    narrative: Json

    @property
    def subject(self) -> str:
        """One subject for all narratives."""
        return "narrative.v1._"
