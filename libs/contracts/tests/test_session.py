"""Session events."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from baleen_contracts.session import SessionEvent
from baleen_contracts.session_data import SESSION_DATA, Candle, SessionError

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)


def test_an_event_is_made_from_typed_data():
    """Engines fill in a model, readers get plain JSON."""
    event = SessionEvent.of("bt.7", Candle(candle_index=3, close=101.5), occurred_at=NOON)

    assert event.subject == "session.v1.bt%2E7.candle"
    assert event.data == {"candle_index": 3, "close": 101.5}


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (
            "candle",
            {"candle_number": -3, "timestamp": "2026-04-24T15:00:00Z", "close": 1, "mine": {"a": [1]}},
        ),
        ("ai_thinking", {"status": "analyzing"}),
        ("ai_thinking", {"text": "hm", "is_complete": False}),
        ("session_completed", {"result_id": "r", "final_stats": {"win_rate": 0.5}}),
        ("countdown_update", {"seconds_remaining": 12, "next_candle_time": "2026-04-27T12:05:00Z"}),
        ("error", {"message": "no candles"}),
        ("something_new", {"anything": None}),
    ],
)
def test_data_are_kept_as_they_came(event: str, data: dict[str, Any]):
    """Both shapes that engines send are valid, further fields and unknown events are kept."""
    assert SessionEvent(session_id="s", event=event, data=data, occurred_at=NOON).data == data


@pytest.mark.parametrize(
    ("event", "data"),
    [("candle", {"close": "high"}), ("stats_update", {"total_trades": -1}), ("error", {"message": ["a"]})],
)
def test_a_known_field_of_the_wrong_type_is_refused(event: str, data: dict[str, Any]):
    """A screen may rely on the types of what it knows."""
    with pytest.raises(ValidationError):
        SessionEvent(session_id="s", event=event, data=data, occurred_at=NOON)


def test_every_known_event_is_documented():
    """The names that clients switch on."""
    assert SESSION_DATA["error"] is SessionError
    assert all(data.__doc__ for data in SESSION_DATA.values())
    assert len(SESSION_DATA) == 16
