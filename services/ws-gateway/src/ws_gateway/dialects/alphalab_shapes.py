"""The data of AlphaLab's session events as its clients read them. Pure.

What its documents promise and what its engines sent differ in five events, and clients exist for both: each
event is told with the fields of either. A field that the engine sends is never changed but for times, which
become UTC with `Z`; what is added is derived from what was sent, in this event or in earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ws_gateway.dialects.timestamps import stamp

Data = dict[str, Any]

_TIMES: Final = ("timestamp", "entry_time", "exit_time", "next_candle_time")
_CONFIG: Final = (
    "agent_name",
    "agent_mode",
    "asset",
    "timeframe",
    "total_candles",
    "email_notifications",
    "test_type",
)
_OHLCV: Final = ("timestamp", "open", "high", "low", "close", "volume")
_RESULTS: Final = (
    "final_equity",
    "total_pnl",
    "total_pnl_pct",
    "total_trades",
    "win_rate",
    "forced_stop",
)
_WITHOUT_CODE: Final = "SESSION_ERROR"


@dataclass(frozen=True)
class Known:
    """What the session has told before an event, and when that happened.

    Attributes:
        session_id: whose event it is.
        forward: whether it is a forward test; None where the engine does not say.
        occurred_at: when the event happened, UTC.
        candle: the number of the newest candle; None before the first.
        total_candles: how many there will be; None where that is not known.
        action: LONG or SHORT, of the position that is open; None without one.
    """

    session_id: str
    forward: bool | None
    occurred_at: datetime
    candle: int | None = None
    total_candles: int | None = None
    action: str | None = None


def shaped(kind: str, data: Mapping[str, Any], known: Known) -> Data:
    """Return the data of an event of that *kind* with the fields of both shapes."""
    told = {name: _utc(value) if name in _TIMES else value for name, value in data.items()}
    shape = _SHAPES.get(kind)
    return told if shape is None else shape(told, known)


def _initialized(data: Data, known: Known) -> Data:
    config = data.get("config")
    config = config if isinstance(config, dict) else {}
    flat = {name: config[name] for name in _CONFIG if name in config} | data
    if known.forward:
        flat.setdefault("test_type", "forward")
    nested = {name: flat[name] for name in _CONFIG if name in flat} | config
    return {"session_id": known.session_id, **flat, "config": nested}


def _candle(data: Data, known: Known) -> Data:
    nested = data.get("candle")
    nested = {**nested, "timestamp": _utc(nested.get("timestamp"))} if isinstance(nested, dict) else {}
    flat = {name: nested[name] for name in _OHLCV if name in nested} | data
    told = {**_numbered(flat, None), "indicators": flat.get("indicators") or {}}
    told["candle"] = {name: told[name] for name in _OHLCV if name in told} | nested
    return _with(told, total_candles=known.total_candles)


def _thinking(data: Data, _known: Known) -> Data:
    complete = bool(data.get("is_complete"))
    status = "complete" if complete else "analyzing"
    return {"status": status, "is_complete": complete, "text": "Analyzing market structure...", **data}


def _decision(data: Data, known: Known) -> Data:
    return _numbered(data, known.candle)


def _opened(data: Data, _known: Known) -> Data:
    return _sided(data, None)


def _of_position(data: Data, known: Known) -> Data:
    return _sided(data, known.action)


def _stats(data: Data, known: Known) -> Data:
    return _with(data, current_candle=known.candle, total_candles=known.total_candles)


def _completed(data: Data, known: Known) -> Data:
    nested = data.get("final_stats")
    nested = nested if isinstance(nested, dict) else {}
    flat = {"forced_stop": False} | {name: nested[name] for name in _RESULTS if name in nested} | data
    results = {name: flat[name] for name in _RESULTS if name in flat} | nested
    return {"session_id": known.session_id, "result_id": None, **flat, "final_stats": results}


def _countdown(data: Data, known: Known) -> Data:
    seconds = data.get("seconds_remaining")
    if "next_candle_time" in data or not isinstance(seconds, int | float) or not 0 <= seconds < _A_YEAR:
        return data
    return {**data, "next_candle_time": stamp(known.occurred_at + timedelta(seconds=seconds))}


def _standing(data: Data, known: Known) -> Data:
    return {"session_id": known.session_id} | _with(data, current_candle=known.candle)


def _error(data: Data, _known: Known) -> Data:
    code = data.get("error_code") or data.get("code") or _WITHOUT_CODE
    message = data.get("message") or "the engine reports an error"
    return {
        **data,
        "error_code": code,
        "code": code,
        "message": message,
        "details": data.get("details") or {},
    }


_A_YEAR: Final = 366 * 86_400
_SHAPES: Final[Mapping[str, Callable[[Data, Known], Data]]] = {
    "session_initialized": _initialized,
    "candle": _candle,
    "ai_thinking": _thinking,
    "ai_decision": _decision,
    "position_opened": _opened,
    "position_updated": _of_position,
    "position_closed": _of_position,
    "stats_update": _stats,
    "session_completed": _completed,
    "countdown_update": _countdown,
    "session_paused": _standing,
    "session_resumed": _standing,
    "error": _error,
}


def _numbered(data: Data, otherwise: int | None) -> Data:
    """Return *data* with its candle's number under the name of either engine."""
    number = data.get("candle_index")
    number = data.get("candle_number", otherwise) if number is None else number
    if number is None:
        return data
    return {**data, "candle_index": number, "candle_number": number}


def _sided(data: Data, otherwise: str | None) -> Data:
    """Return *data* with the position's side under `action` and `type`, since clients look for either."""
    side = data.get("action") or data.get("type") or otherwise
    return data if side is None else {**data, "action": side, "type": side}


def _with(data: Data, **more: Any) -> Data:
    """Return *data* with *more*, where that is known and *data* does not say it."""
    return {**data, **{name: value for name, value in more.items() if value is not None and name not in data}}


def _utc(value: Any) -> Any:
    """Return a time as UTC with `Z`, where one without a zone is meant as UTC; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        time = datetime.fromisoformat(value)
        return stamp(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return value
