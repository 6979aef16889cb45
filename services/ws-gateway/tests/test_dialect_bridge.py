"""The bridge's dialect: what is told of events and state, what clients may say, what a snapshot holds."""

import copy
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.bridge import BridgeEvent, BridgeState
from ws_gateway.dialects.bridge import (
    ALL_EVENTS,
    ALL_STATE,
    MAX_WISHES,
    Bridge,
    Ping,
    RequestState,
    Subscribe,
    Wrong,
    read,
)
from ws_gateway.dialects.bridge_snapshot import Present, lay_out
from ws_gateway.dialects.bridge_state import State, read_update
from ws_gateway.errors import Refusal
from ws_gateway.event import Event
from ws_gateway.topics import flaw_of, matches

NOW = datetime(2026, 4, 27, 14, 31, 5, 250, tzinfo=UTC)
SAID = "2026-04-27T14:31:05.000250Z"
BRIDGE = Bridge()


def event(message: BridgeEvent | BridgeState, seq: int = 7) -> Event:
    """Make the bus's message of *message*."""
    return Event(message.subject, message.entity, "BRIDGE", seq, f"BRIDGE.e.{seq}", None, message.to_json())


def state(path: str, value: Any = None, *, seq: int = 7, **more: Any) -> Event:
    """Make a change of state."""
    return event(BridgeState(occurred_at=NOW, path=path, value=value, **more), seq)


def told(what: Event) -> dict[str, Any]:
    """Return the message a client reads."""
    text = BRIDGE.encode(what)
    assert text is not None
    message: dict[str, Any] = json.loads(text)
    return message


def snapshot(events: Iterable[Event], revision: int = 9, **limits: int) -> dict[str, Any]:
    """Return the snapshot a client reads."""
    message: dict[str, Any] = json.loads(lay_out(events, revision, NOW, **limits).text)
    return message


def test_an_event_has_its_type_its_data_and_its_revision():
    """The fields of the documents, the publisher's data untouched, a time in UTC."""
    data = {"order_id": "1", "sl": None, "legs": [{"ltp": 1.5}], "timestamp": 1764000000.25}
    assert told(event(BridgeEvent(occurred_at=NOW, event_type="tick_update", data=data))) == {
        "type": "event",
        "event_type": "tick_update",
        "data": data,
        "timestamp": SAID,
        "revision": 7,
    }


def test_a_change_of_state_has_its_path_both_values_and_its_revision():
    """What the publisher says of the value stands beside it; a value that was never there is null."""
    changed = state("trading.daily_pnl", -12.5, old_value=3, metadata={"source": "runner"})
    assert told(changed) == {
        "type": "state_update",
        "path": "trading.daily_pnl",
        "new_value": -12.5,
        "old_value": 3,
        "timestamp": SAID,
        "revision": 7,
        "metadata": {"source": "runner"},
    }
    assert told(state("a", 1))["old_value"] is None


def test_a_removed_path_is_told_as_null_with_a_mark():
    """A client that knows no removal sees what its own store would have told: null, and the old value."""
    removed = told(state("trading.positions.1", deleted=True, value="ignored", old_value={"qty": 1}))
    assert (removed["new_value"], removed["old_value"], removed["deleted"]) == (None, {"qty": 1}, True)
    assert "deleted" not in told(state("a"))


def test_a_frame_of_a_table_comes_as_it_was_stored():
    """Rows, columns, index and shape of a table travel untouched, in updates and in snapshots."""
    table = {
        "data": [{"open": 1.25, "close": None}, {"open": 2, "close": 3.5}],
        "columns": ["open", "close"],
        "index": ["2026-04-27T09:15:00", "2026-04-27T10:15:00"],
        "shape": [2, 2],
    }
    stored = state("market_data.data_1h", table)
    assert told(stored)["new_value"] == table
    assert snapshot([stored])["data"]["state"] == {"market_data": {"data_1h": table}}


def test_messages_of_other_entities_are_not_shown():
    """The bridge has no word for the rest of the bus."""
    assert BRIDGE.encode(Event("signal.v1.SPY", "signal", "SIGNAL", 1, "S.e.1", None, b"{}")) is None


def test_a_body_that_belongs_to_another_path_is_refused():
    """A filter by subject and the path in the frame never say different things."""
    forged = Event("bridge.v1.state.a", "bridge_state", "BRIDGE", 1, "B.e.1", None, state("b", 1).body)
    with pytest.raises(ValueError, match="subject"):
        BRIDGE.encode(forged)
    assert snapshot([forged])["data"]["state"] == {}


def test_a_snapshot_has_the_documented_fields_and_its_revision():
    """State as one object, what is said of each path, a version, a time, and the revision it is of."""
    events = [
        state("trading.daily_pnl", 1.5, seq=4, metadata={"source": "runner", "version": 3}),
        state("trading.runner_status", "running", seq=2),
        state("gone", deleted=True, seq=3),
    ]
    assert snapshot(events, 9) == {
        "type": "state_snapshot",
        "data": {
            "state": {"trading": {"runner_status": "running", "daily_pnl": 1.5}},
            "metadata": {
                "trading.runner_status": {"updated_at": SAID, "version": 1},
                "trading.daily_pnl": {"updated_at": SAID, "version": 3, "source": "runner"},
            },
            "version": 1,
            "snapshot_at": SAID,
            "revision": 9,
        },
        "timestamp": SAID,
        "revision": 9,
    }
    assert snapshot([state("_version", 4)])["data"]["version"] == 4
    assert snapshot([], 0)["data"]["state"] == {}


def test_a_parent_that_was_set_later_takes_what_was_below_along():
    """Neither the value nor what was said of it outlives the parent's new value; what came later stays."""
    events = [
        state("a.b", 1, seq=1),
        state("a.c", 2, seq=4),
        state("a", {"d": 3}, seq=2),
        state("x.y", 1, seq=5),
        state("x", deleted=True, seq=6),
    ]
    data = snapshot(events)["data"]
    assert data["state"] == {"a": {"d": 3, "c": 2}}
    assert sorted(data["metadata"]) == ["a", "a.c"]


def test_laying_state_changes_no_message():
    """Values are shared by all dialects: a change below a value is made in a copy."""
    parent = state("a", {"b": {"c": 1}}, seq=1)
    snapshot([parent, state("a.b.c", 2, seq=2)])
    assert parent.data["value"] == {"b": {"c": 1}}


def test_a_large_state_comes_as_a_snapshot_and_updates_that_lead_on():
    """No frame is larger than clients take: the older changes are the snapshot, the later ones follow."""
    events = [state(f"p.k{number}", "x" * 500, seq=number) for number in range(1, 41)]
    made = lay_out(events, 50, NOW, limit=10_000)
    first = json.loads(made.text)
    assert 5_000 < len(made.text) <= 10_000
    assert first["revision"] == len(first["data"]["metadata"]) == made.rest[0].seq - 1
    assert [later.seq for later in made.rest] == list(range(first["revision"] + 1, 41))


def test_one_change_above_the_limit_is_told_all_the_same():
    """A snapshot holds at least one path, or nothing would ever be told."""
    made = lay_out([state("a", "x" * 99, seq=3), state("b", 1, seq=5)], 9, NOW, limit=50)
    assert json.loads(made.text)["data"]["state"] == {"a": "x" * 99}
    assert json.loads(made.text)["revision"] == 3
    assert [later.seq for later in made.rest] == [5]


_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
_VALUES = st.recursive(
    st.none() | st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
)
_CHANGES = st.lists(st.tuples(_PATHS, _VALUES, st.booleans()), max_size=12)


def as_events(changes: Sequence[tuple[str, Any, bool]]) -> list[Event]:
    """Number the changes as a stream does."""
    return [
        state(path, value, seq=number, deleted=deleted)
        for number, (path, value, deleted) in enumerate(changes, 1)
    ]


def after(events: Iterable[Event], state: dict[str, Any]) -> dict[str, Any]:
    """Return what a client makes of *state* with the changes of *events*, one by one."""
    for each in events:
        *parents, leaf = each.data["path"].split(".")
        node = state
        for segment in parents:
            if not isinstance(node.get(segment), dict):
                node[segment] = {}
            node = node[segment]
        if each.data["deleted"]:
            node.pop(leaf, None)
        else:
            node[leaf] = copy.deepcopy(each.data.get("value"))
    return state


def last_of_each(events: Iterable[Event]) -> list[Event]:
    """Return what a stream keeps that drops the older message of a subject."""
    return list({event.subject: event for event in events}.values())


@given(_CHANGES, st.integers(0, 12), st.integers(1, 2_000))
def test_whoever_joins_when_and_reads_what_is_kept_comes_to_the_same_state(
    changes: list[tuple[str, Any, bool]], joined: int, limit: int
):
    """A snapshot at any moment, of any size, and the updates after it are all the changes one by one."""
    events = as_events(changes)
    made = lay_out(last_of_each(events[:joined]), joined, NOW, limit=limit)
    begun = json.loads(made.text)
    later = [*made.rest, *events[joined:]]

    assert after(later, begun["data"]["state"]) == after(events, {})
    assert [each.seq for each in later] == sorted({each.seq for each in later})
    assert all(each.seq > begun["revision"] for each in later)


_HEAD = defaultdict(lambda: 2, {126: 4, 127: 10})
"""How long a server frame's head is, by the length that its second byte tells."""


@given(_CHANGES, st.integers(1, 2_000), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_a_state_kept_up_to_date_is_the_one_laid_out_anew(
    changes: list[tuple[str, Any, bool]], limit: int, steps: list[int]
):
    """Whenever it is asked, what is told makes the same state as all the changes up to there."""
    events = as_events(changes)
    seconds = iter(range(1_000))
    heard = 0

    present = Present(
        frame_of=BRIDGE.encode,
        all_of_state=lambda: last_of_each(events[:heard]),
        since=lambda revision: events[revision:heard],
        clock=lambda: next(seconds) / 4,
        limit=limit,
    )
    for step in steps:
        heard = min(heard + step - 1, len(events))
        first, *more = present.frames(heard, NOW)
        begun = json.loads(first[_HEAD[first[1]] :])
        told = [json.loads(frame) for frame in more]
        shown = after([events[message["revision"] - 1] for message in told], begun["data"]["state"])
        assert shown == after(events[:heard], {})
        alone = json.loads(lay_out(last_of_each(events[:heard]), heard, NOW).text)["data"]
        if not told:
            assert (begun["data"], begun["revision"]) == (alone, heard)
        assert len(first) <= limit + 300 or len(begun["data"]["metadata"]) <= 1


def test_requests_are_read():
    """The three things a client says; what else it adds is passed over."""
    assert read('{"type":"ping","timestamp":"2026-04-27T14:31:05"}') == Ping()
    assert read('{"type":"request_state"}') == RequestState()
    assert read('{"type":"subscribe"}') == Subscribe((ALL_EVENTS, ALL_STATE))


def wanted(**lists: Any) -> tuple[str, ...]:
    """Return the topics of a subscription."""
    request = read(json.dumps({"type": "subscribe", **lists}))
    assert isinstance(request, Subscribe), request
    assert all(flaw_of(topic) is None for topic in request.topics)
    return request.topics


@pytest.mark.parametrize(
    ("lists", "heard", "unheard"),
    [
        ({"events": ["a b"]}, ["event.a%20b", "state.x"], ["event.a", "event.A%20b"]),
        ({"events": []}, ["state.x.y"], ["event.a"]),
        ({"events": ["a", "*"], "paths": []}, ["event.b"], ["state.x"]),
        ({"paths": ["*"]}, ["event.a", "state.x.y"], []),
        ({"paths": ["x.y"]}, ["state.x.y", "state.x.y.z.w", "state.x", "event.a"], ["state.y", "state.x.z"]),
        ({"paths": ["x.*.s"]}, ["state.x.1.s", "state.x.1", "state.x"], ["state.x.1.t"]),
        ({"events": None, "paths": None}, ["state.x", "event.a"], []),
    ],
)
def test_a_subscription_filters_events_by_type_and_state_by_path(
    lists: dict[str, Any], heard: list[str], unheard: list[str]
):
    """What is not mentioned is wanted whole; a path is heard with what is below, and with its parents."""
    topics = wanted(**lists)
    for subject in heard:
        assert any(matches(topic, f"bridge.v1.{subject}") for topic in topics), subject
    for subject in unheard:
        assert not any(matches(topic, f"bridge.v1.{subject}") for topic in topics), subject


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", Refusal.BAD_JSON),
        ("[" * 100_000, Refusal.BAD_JSON),
        ("[]", Refusal.BAD_JSON),
        ('"ping"', Refusal.BAD_JSON),
        ("{}", Refusal.UNKNOWN_OP),
        ('{"type":["ping"]}', Refusal.UNKNOWN_OP),
        ('{"type":"subscribe","events":"a"}', Refusal.BAD_REQUEST),
        ('{"type":"subscribe","events":[1]}', Refusal.BAD_REQUEST),
        ('{"type":"subscribe","paths":{"a":1}}', Refusal.BAD_REQUEST),
        ('{"type":"subscribe","paths":[""]}', Refusal.BAD_REQUEST),
        (json.dumps({"type": "subscribe", "events": ["x" * 301]}), Refusal.BAD_REQUEST),
        ('{"type":"subscribe","paths":["a..b"]}', Refusal.BAD_TOPIC),
        ('{"type":"subscribe","paths":["a.>","."]}', Refusal.BAD_TOPIC),
        (json.dumps({"type": "subscribe", "events": ["e"] * (MAX_WISHES + 1)}), Refusal.TOO_MANY),
        (json.dumps({"type": "subscribe", "paths": [".".join("ab" * 50)] * 20}), Refusal.TOO_MANY),
        ('{"type":"subscribe","paths":["\\ud800"]}', Refusal.BAD_JSON),
    ],
)
def test_what_cannot_be_obeyed_says_why(text: str, refusal: Refusal):
    """Each refusal has its code and a sentence that holds nothing of what was said."""
    wrong = read(text)
    assert isinstance(wrong, Wrong)
    assert wrong.refusal is refusal
    (answer,) = BRIDGE.hear(text, NOW)
    assert json.loads(answer) == {
        "type": "error",
        "code": refusal.value,
        "message": wrong.message,
        "timestamp": SAID,
    }


@given(
    st.text()
    | st.recursive(st.text() | st.none(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)).map(
        json.dumps
    )
)
def test_no_text_breaks_the_reading(text: str):
    """Whatever a client says is a request or a mistake."""
    assert read(text) is not None


def test_a_ping_is_answered_with_a_pong():
    """As the documents say, with a time in UTC; nothing else is answered by the dialect alone."""
    assert [json.loads(text) for text in BRIDGE.hear('{"type":"ping"}', NOW)] == [
        {"type": "pong", "timestamp": SAID}
    ]
    assert BRIDGE.hear('{"type":"request_state"}', NOW) == ()


def test_a_gap_names_the_revisions_that_will_not_come():
    """Existing clients queue it under a type of its own."""
    assert json.loads(BRIDGE.gap(3, 9, "expired", NOW)) == {
        "type": "gap",
        "from": 3,
        "to": 9,
        "reason": "expired",
        "timestamp": SAID,
    }


@given(st.lists(st.tuples(_PATHS, st.text(max_size=40), st.booleans()), min_size=1, max_size=12))
def test_a_snapshot_is_no_larger_than_it_was_judged(changes: list[tuple[str, str, bool]]):
    """The judgement keeps frames within what clients take, short values with long paths included."""
    state = State()
    for number, (path, value, deleted) in enumerate(changes, 1):
        changed = BridgeState(occurred_at=NOW, path="long_" * 20 + path, value=value, deleted=deleted)
        state.take(read_update(event(changed, number)))
    assert len(state.snapshot(99, NOW)) <= state.size + 200
