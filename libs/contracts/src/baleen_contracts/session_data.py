"""What the known session events hold. Pure.

Engines differ, so every field may be absent and unknown ones are kept; a known field must be of its type.
"""

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from baleen_contracts.fields import Count, Json, Label, Number, Price, SignedCount, Text, known


class SessionData(BaseModel):
    """The data of one kind of event."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    event: ClassVar[str]


class SessionInitialized(SessionData):
    """The engine has begun."""

    event: ClassVar[str] = "session_initialized"

    session_id: Label | None = None
    config: Json | None = None
    agent_name: Text | None = None
    agent_mode: Label | None = None
    asset: Label | None = None
    timeframe: Label | None = None
    total_candles: Count | None = None
    email_notifications: bool | None = None
    test_type: Label | None = None


class Candle(SessionData):
    """A candle was processed.

    Backtests count ``candle_index``, forward tests ``candle_number`` (negative: history).
    """

    event: ClassVar[str] = "candle"

    candle_index: SignedCount | None = None
    candle_number: SignedCount | None = None
    timestamp: str | Number | None = None
    open: Price | None = None
    high: Price | None = None
    low: Price | None = None
    close: Price | None = None
    volume: Annotated[float, Field(ge=0, le=1e18)] | None = None
    indicators: Json | None = None


class AiThinking(SessionData):
    """The agent is at work."""

    event: ClassVar[str] = "ai_thinking"

    status: Label | None = None
    text: Text | None = None
    is_complete: bool | None = None


class AiDecision(SessionData):
    """The agent has decided."""

    event: ClassVar[str] = "ai_decision"

    action: Label | None = None
    reasoning: Text | None = None
    entry_price: Price | None = None
    stop_loss_price: Price | None = None
    take_profit_price: Price | None = None
    size_percentage: Number | None = None
    leverage: Number | None = None
    candle_index: SignedCount | None = None
    candle_number: SignedCount | None = None
    decision_context: JsonValue = None


class PositionOpened(SessionData):
    """A position was opened."""

    event: ClassVar[str] = "position_opened"

    trade_number: Count | None = None
    action: Label | None = None
    entry_price: Price | None = None
    size: Number | None = None
    leverage: Number | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
    entry_time: str | Number | None = None
    reasoning: Text | None = None


class PositionUpdated(SessionData):
    """An open position changed."""

    event: ClassVar[str] = "position_updated"

    trade_number: Count | None = None
    current_price: Price | None = None
    unrealized_pnl: Number | None = None


class PositionClosed(SessionData):
    """A position was closed."""

    event: ClassVar[str] = "position_closed"

    trade_number: Count | None = None
    action: Label | None = None
    entry_price: Price | None = None
    exit_price: Price | None = None
    entry_time: str | Number | None = None
    exit_time: str | Number | None = None
    size: Number | None = None
    pnl: Number | None = None
    pnl_pct: Number | None = None
    reason: Text | None = None
    leverage: Number | None = None


class StatsUpdate(SessionData):
    """The session's figures so far."""

    event: ClassVar[str] = "stats_update"

    total_trades: Count | None = None
    winning_trades: Count | None = None
    losing_trades: Count | None = None
    win_rate: Number | None = None
    total_pnl: Number | None = None
    total_pnl_pct: Number | None = None
    average_win: Number | None = None
    average_loss: Number | None = None
    largest_win: Number | None = None
    largest_loss: Number | None = None
    profit_factor: Number | None = None
    current_equity: Number | None = None
    equity_change_pct: Number | None = None


class SessionCompleted(SessionData):
    """The session has ended."""

    event: ClassVar[str] = "session_completed"

    session_id: Label | None = None
    result_id: Label | None = None
    final_equity: Number | None = None
    total_pnl: Number | None = None
    total_pnl_pct: Number | None = None
    total_trades: Count | None = None
    win_rate: Number | None = None
    forced_stop: bool | None = None
    final_stats: Json | None = None


class CountdownUpdate(SessionData):
    """How long until the next candle closes."""

    event: ClassVar[str] = "countdown_update"

    seconds_remaining: Number | None = None
    next_candle_time: str | None = None
    next_ai_intervention_candles: SignedCount | None = None
    next_ai_intervention_minutes: Number | None = None


class SessionPaused(SessionData):
    """The session stands still."""

    event: ClassVar[str] = "session_paused"

    session_id: Label | None = None
    current_candle: SignedCount | None = None


class SessionResumed(SessionPaused):
    """The session goes on."""

    event: ClassVar[str] = "session_resumed"


class AutoStopTriggered(SessionData):
    """The engine stopped by its own rule."""

    event: ClassVar[str] = "auto_stop_triggered"

    reason: Annotated[str, known(["loss_threshold"])] | None = None
    stats: Json | None = None


class IndicatorReadiness(SessionData):
    """How many indicators have seen enough candles."""

    event: ClassVar[str] = "indicator_readiness"

    ready_count: Count | None = None
    total_count: Count | None = None
    ready_percentage: Number | None = None
    is_ready: bool | None = None


class PriceUpdate(SessionData):
    """The price between two candles."""

    event: ClassVar[str] = "price_update"

    price: Price | None = None
    timestamp: str | Number | None = None


class SessionError(SessionData):
    """Something went wrong in the engine."""

    event: ClassVar[str] = "error"

    error_code: Label | None = None
    message: Text | None = None
    details: Json | None = None


SESSION_DATA: Final[dict[str, type[SessionData]]] = {
    data.event: data
    for data in (
        SessionInitialized,
        Candle,
        AiThinking,
        AiDecision,
        PositionOpened,
        PositionUpdated,
        PositionClosed,
        StatsUpdate,
        SessionCompleted,
        CountdownUpdate,
        SessionPaused,
        SessionResumed,
        AutoStopTriggered,
        IndicatorReadiness,
        PriceUpdate,
        SessionError,
    )
}
"""The known events and what their data hold."""
