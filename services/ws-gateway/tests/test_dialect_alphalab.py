"""AlphaLab's frames, as its clients read them, and what a client may say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.dialects.alphalab import BACKTEST_ORDERS, FORWARD_ORDERS, AlphaLab, Order, Ping, Wrong
from ws_gateway.errors import Farewell, Refusal
from ws_gateway.event import Event

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def told(dialect: AlphaLab, kind: str, data: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Return the frame of an event as a strict reader of JSON reads it."""
    whole = {
        "occurred_at": "2026-11-20T12:00:00Z",
        "session_id": "s-1",
        "session_type": "backtest",
        "event": kind,
        "data": data,
        **body,
    }
    event = Event(
        f"session.v1.s-1.{kind}", "session_event", "SESSION", 1, "", None, json.dumps(whole).encode()
    )
    text = dialect.encode(event)
    assert text is not None
    frame: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    assert list(frame) == ["type", "data", "timestamp"]
    return frame


def data_of(kind: str, data: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Return the data of the first event that a session tells."""
    found: dict[str, Any] = told(AlphaLab("x"), kind, data, **body)["data"]
    return found


def answers(text: str, *, orders: tuple[str, ...] = BACKTEST_ORDERS) -> list[dict[str, Any]]:
    """Return what a client is answered."""
    return [json.loads(answer) for answer in AlphaLab("x", orders).hear(text, NOON)]


def test_every_frame_has_type_data_and_a_time_in_utc():
    """The time is the engine's, with microseconds and `Z`, so that a replayed event looks as it did live."""
    frame = told(AlphaLab("x"), "candle", {"close": 1.0}, occurred_at="2026-11-20T07:00:00-05:00")

    assert (frame["type"], frame["timestamp"]) == ("candle", "2026-11-20T12:00:00.000000Z")


@pytest.mark.parametrize(
    "data",
    [
        {"agent_name": "a", "asset": "BTC", "timeframe": "1h", "total_candles": 60},
        {"config": {"agent_name": "a", "asset": "BTC", "timeframe": "1h", "total_candles": 60}},
    ],
)
def test_the_beginning_has_both_shapes_whichever_the_engine_sends(data: dict[str, Any]):
    """Flat as engines send it, and under `config` as the documents have it."""
    found = data_of("session_initialized", data)

    assert found["session_id"] == "s-1"
    assert found["total_candles"] == found["config"]["total_candles"] == 60
    assert found["asset"] == found["config"]["asset"] == "BTC"


def test_a_forward_test_says_what_it_is():
    """Though its engine forgot; a backtest says nothing of the kind."""
    assert data_of("session_initialized", {}, session_type="forward")["test_type"] == "forward"
    assert "test_type" not in data_of("session_initialized", {})


@pytest.mark.parametrize("name", ["candle_index", "candle_number"])
def test_a_candle_is_flat_and_nested_and_numbered_under_both_names(name: str):
    """Backtests count an index and forward tests a number; negative ones are history."""
    found = data_of(
        "candle", {name: -3, "timestamp": "2026-11-20T11:00:00", "open": 1, "close": 2, "volume": 9}
    )

    assert found["candle_index"] == found["candle_number"] == -3
    assert found["timestamp"] == found["candle"]["timestamp"] == "2026-11-20T11:00:00.000000Z"
    assert (found["close"], found["candle"]["close"], found["indicators"]) == (2, 2, {})


def test_a_nested_candle_is_told_flat_too():
    """As the documents' factory makes it."""
    candle = {
        "timestamp": "2026-11-20T11:00:00+00:00",
        "open": 1,
        "high": 4,
        "low": 0.5,
        "close": 2,
        "volume": 9,
    }
    found = data_of("candle", {"candle": candle, "indicators": {"rsi": 40.5}})

    assert (found["high"], found["indicators"]["rsi"]) == (4, 40.5)
    assert found["timestamp"] == found["candle"]["timestamp"] == "2026-11-20T11:00:00.000000Z"


@pytest.mark.parametrize("data", [{"status": "analyzing"}, {"text": "hm", "is_complete": False}])
def test_thinking_has_both_shapes(data: dict[str, Any]):
    """One screen looks for the status, the other shows the text."""
    found = data_of("ai_thinking", data)

    assert (found["status"], found["is_complete"]) == ("analyzing", False)
    assert found["text"] == data.get("text", "Analyzing market structure...")


def test_a_decision_without_a_candle_belongs_to_the_newest():
    """A client makes the decision's id of it, and would show only the first of those without one."""
    dialect = AlphaLab("x")
    told(dialect, "candle", {"candle_number": 7})

    found = told(dialect, "ai_decision", {"action": "LONG"})["data"]
    assert found["candle_number"] == found["candle_index"] == 7
    assert told(dialect, "ai_decision", {"candle_index": 5})["data"]["candle_number"] == 5


@pytest.mark.parametrize(("sent", "side"), [({"action": "SHORT"}, "SHORT"), ({"type": "long"}, "long")])
def test_a_position_has_its_side_under_both_names(sent: dict[str, Any], side: str):
    """Else a short is shown as a long, and as `undefined`."""
    for kind in ("position_opened", "position_updated", "position_closed"):
        found = data_of(kind, sent)
        assert found["type"] == found["action"] == side


def test_a_position_that_changes_has_the_side_with_which_it_was_opened():
    """Until it is closed."""
    dialect = AlphaLab("x")
    told(dialect, "position_opened", {"action": "SHORT", "entry_time": "2026-11-20 11:00:00"})

    assert told(dialect, "position_updated", {"unrealized_pnl": 3.5})["data"]["type"] == "SHORT"
    assert told(dialect, "position_closed", {"pnl": 3.5})["data"]["action"] == "SHORT"
    assert "type" not in told(dialect, "position_updated", {})["data"]


def test_figures_say_how_far_the_session_is():
    """Clients read `current_candle` and `total_candles`, which engines do not send."""
    dialect = AlphaLab("x")
    told(dialect, "session_initialized", {"total_candles": 60})
    candle = told(dialect, "candle", {"candle_index": 11})["data"]
    found = told(dialect, "stats_update", {"total_trades": 2})["data"]

    assert candle["total_candles"] == found["total_candles"] == 60
    assert found["current_candle"] == 11


def test_a_session_that_begins_anew_has_forgotten_what_was():
    """The same id may run again."""
    dialect = AlphaLab("x")
    told(dialect, "session_initialized", {"total_candles": 60})
    told(dialect, "candle", {"candle_index": 11})
    told(dialect, "session_initialized", {})

    assert told(dialect, "stats_update", {})["data"] == {}


@pytest.mark.parametrize(
    "data", [{"result_id": "r", "total_pnl": 5.0}, {"result_id": "r", "final_stats": {"total_pnl": 5.0}}]
)
def test_the_end_has_both_shapes(data: dict[str, Any]):
    """Flat and under `final_stats`; not forced unless the engine says so."""
    found = data_of("session_completed", data)

    assert found["total_pnl"] == found["final_stats"]["total_pnl"] == 5.0
    assert (found["session_id"], found["result_id"], found["forced_stop"]) == ("s-1", "r", False)


def test_a_countdown_says_when_the_candle_closes():
    """From the seconds that remain, if the engine says no more; its own word wins."""
    said = {"seconds_remaining": 30, "next_candle_time": "2026-11-20T13:00:00"}

    assert (
        data_of("countdown_update", {"seconds_remaining": 30})["next_candle_time"]
        == "2026-11-20T12:00:30.000000Z"
    )
    assert data_of("countdown_update", said)["next_candle_time"] == "2026-11-20T13:00:00.000000Z"
    assert "next_candle_time" not in data_of("countdown_update", {"seconds_remaining": 1e300})


@pytest.mark.parametrize("kind", ["session_paused", "session_resumed"])
def test_a_pause_says_of_which_session_and_where(kind: str):
    """Both are documented, engines may send neither."""
    dialect = AlphaLab("x")
    told(dialect, "candle", {"candle_index": 4})

    assert told(dialect, kind, {})["data"] == {"session_id": "s-1", "current_candle": 4}


@pytest.mark.parametrize(
    ("data", "code"),
    [({"message": "no candles"}, "SESSION_ERROR"), ({"code": "X"}, "X"), ({"error_code": "X"}, "X")],
)
def test_an_engines_error_has_all_four_fields(data: dict[str, Any], code: str):
    """Engines send a message only; clients read either code."""
    found = data_of("error", data)

    assert (found["error_code"], found["code"], found["details"]) == (code, code, {})
    assert found["message"] == data.get("message", "the engine reports an error")


@pytest.mark.parametrize(
    "kind", ["auto_stop_triggered", "indicator_readiness", "price_update", "made_up_later"]
)
def test_other_events_are_told_as_they_came(kind: str):
    """Their one shape is the engines'; unknown kinds pass."""
    assert data_of(kind, {"reason": "r", "price": 4.5, "is_ready": True}) == {
        "reason": "r",
        "price": 4.5,
        "is_ready": True,
    }


def test_what_is_no_number_is_null():
    """A browser rejects NaN, and with it the whole frame; an engine's own JSON may hold it."""
    found = data_of("candle", {"close": float("nan"), "indicators": {"rsi": float("inf")}})

    assert (found["close"], found["indicators"]["rsi"]) == (None, None)


def test_two_events_of_a_kind_never_have_the_same_time():
    """A client that has seen type and time drops the second; other kinds may share the moment."""
    dialect = AlphaLab("x")
    times = [told(dialect, "price_update", {"price": n})["timestamp"][-7:] for n in range(3)]

    assert times == ["000000Z", "000001Z", "000002Z"]
    assert told(dialect, "error", {})["timestamp"][-7:] == "000000Z"


def test_an_engine_whose_clock_steps_back_is_believed():
    """Only what looks the same is told apart."""
    dialect = AlphaLab("x")
    told(dialect, "error", {}, occurred_at="2026-11-20T12:00:00Z")

    assert (
        told(dialect, "error", {}, occurred_at="2026-11-20T11:59:00Z")["timestamp"]
        == "2026-11-20T11:59:00.000000Z"
    )


_SESSIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "session_initialized",
                "candle",
                "ai_decision",
                "position_opened",
                "position_closed",
                "stats_update",
                "new",
            ]
        ),
        st.dictionaries(
            st.sampled_from(
                ["candle_index", "candle_number", "action", "type", "config", "timestamp", "candle"]
            ),
            st.none()
            | st.booleans()
            | st.integers(-99, 99)
            | st.sampled_from(["", "LONG", "2026-11-20T12:00"])
            | st.just({"a": 1}),
        ),
        st.integers(0, 5),
    ),
    max_size=12,
)


@given(_SESSIONS)
def test_a_session_told_again_is_told_the_same(session: list[tuple[str, dict[str, Any], int]]):
    """Whatever the engine says, a replay's frames are those that were live, and no two look the same."""

    def tell() -> list[dict[str, Any]]:
        dialect = AlphaLab("x")
        return [
            told(dialect, kind, data, occurred_at=f"2026-11-20T12:00:00.00000{tick}Z")
            for kind, data, tick in session
        ]

    frames = tell()
    assert frames == tell()
    for place, frame in enumerate(frames[1:], 1):
        before = [other for other in frames[:place] if other["type"] == frame["type"]]
        assert all(other["timestamp"] != frame["timestamp"] for other in before)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_anything_a_client_says_is_answered_with_an_error_or_a_heartbeat(text: str):
    """And nothing raises."""
    for answer in answers(text):
        assert answer["type"] in ("error", "heartbeat")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ping", "INVALID_MESSAGE"),
        ("[1]", "INVALID_MESSAGE"),
        ('"pause"', "INVALID_MESSAGE"),
        ("{}", "INVALID_COMMAND"),
        ('{"action": 5}', "INVALID_COMMAND"),
        ('{"action": ""}', "INVALID_COMMAND"),
        ('{"action": "stop", "close_position": "no"}', "INVALID_COMMAND"),
        ('{"action": "explode"}', "UNKNOWN_COMMAND"),
    ],
)
def test_what_cannot_be_obeyed_is_answered_by_code(text: str, code: str):
    """All four fields are there, and nothing that was said is repeated at length."""
    (answer,) = answers(text)

    assert answer["type"] == "error"
    assert answer["data"]["error_code"] == answer["data"]["code"] == code
    assert answer["data"]["message"]
    assert isinstance(answer["data"]["details"], dict)


def test_a_forward_test_is_only_stopped():
    """Its engine cannot pause a market."""
    (answer,) = answers('{"action": "pause"}', orders=FORWARD_ORDERS)

    assert answer["data"]["code"] == "UNKNOWN_COMMAND"
    assert answer["data"]["details"] == {"action": "pause", "known": ["stop", "ping"]}


def test_orders_are_read_and_left_to_the_engine():
    """A stop closes the position unless it says otherwise."""
    dialect = AlphaLab("x", BACKTEST_ORDERS)

    assert dialect.read('{"action": "pause"}') == Order("pause")
    assert dialect.read('{"action": "stop"}') == Order("stop", close_position=True)
    assert dialect.read('{"action": "stop", "close_position": false}') == Order("stop", close_position=False)
    assert dialect.read('{"action": "ping"}') == Ping()
    assert isinstance(dialect.read("{"), Wrong)
    assert answers('{"action": "pause"}') == []


def test_a_ping_is_answered_with_a_heartbeat():
    """Whose data are empty."""
    assert answers('{"action": "ping"}') == [
        {"type": "heartbeat", "data": {}, "timestamp": "2026-11-20T12:00:00.000000Z"}
    ]


def test_an_acknowledgement_names_the_action_beside_what_the_engine_says():
    """Which cannot rename it."""
    text = AlphaLab("x").acknowledged(Order("stop"), {"result_id": "r", "action": "other"}, NOON)

    assert json.loads(text)["type"] == "command_ack"
    assert json.loads(text)["data"] == {"result_id": "r", "action": "stop"}


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (Refusal.BINARY, "INVALID_MESSAGE"),
        (Refusal.BAD_REQUEST, "WEBSOCKET_ERROR"),
        (Farewell.TOO_SLOW, "WEBSOCKET_ERROR"),
        (Farewell.UNAUTHENTICATED, "AUTHENTICATION_REQUIRED"),
        (Farewell.UNAUTHORIZED_SESSION, "UNAUTHORIZED_SESSION_ACCESS"),
    ],
)
def test_the_gateways_own_words_have_codes_that_clients_know(word: str, code: str):
    """The word itself stays in the details."""
    answer = json.loads(AlphaLab("x").error(str(word), "why", NOON))

    assert answer["data"] == {
        "error_code": code,
        "code": code,
        "message": "why",
        "details": {"reason": str(word)},
    }
