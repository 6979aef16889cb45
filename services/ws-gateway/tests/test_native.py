"""The native protocol as a transcript: what is said, what is answered."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.bus.heard import heard_streams, why_unheard
from ws_gateway.errors import Refusal
from ws_gateway.event import Event
from ws_gateway.native.dialect import Native
from ws_gateway.native.requests import (
    MAX_PATTERNS,
    MAX_TOPICS,
    Auth,
    Command,
    Ping,
    Position,
    Subscribe,
    Unsubscribe,
    Wrong,
    read,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SAID = Event(
    "signal.v1.SPY", "signal", "SIGNAL", 7, "SIGNAL.e1.7", "2026-01-02T03:04:05Z", b'{"symbol":"SPY"}'
)


def test_subscribe_is_read_with_its_snapshot_and_id():
    """Topics keep their order and lose their doubles; a snapshot comes unless it is declined."""
    assert read('{"op":"subscribe","topics":["a.b","uw.>","a.b"],"id":7}') == Subscribe(
        ("a.b", "uw.>"), True, 7
    )
    assert read('{"op":"subscribe","topics":["a"],"snapshot":false}') == Subscribe(("a",), False, None)


def test_unsubscribe_and_ping_are_read():
    """Both echo the id they came with."""
    assert read('{"op":"unsubscribe","topics":["a.b"],"id":"x"}') == Unsubscribe(("a.b",), "x")
    assert read('{"op":"ping","id":1}') == Ping(1)


def test_since_and_filter_are_read():
    """Positions are taken apart, a condition is understood once and for all who say the same."""
    text = (
        '{"op":"subscribe","topics":["uw.v1.flow_alert.*"],"since":["TAPE.e1.7"],"filter":"premium >= 1e5"}'
    )
    one, other = read(text), read(text)

    assert isinstance(one, Subscribe)
    assert isinstance(other, Subscribe)
    assert one.since == (Position("TAPE", "e1", 7),)
    assert one.filter is not None
    assert one.filter is other.filter
    assert one.filter.matches({"premium": 100_000.0})
    assert not one.filter.matches({"premium": 99_999.0})


def test_auth_and_command_are_read():
    """A token stays out of what is logged of a request."""
    auth = read('{"op":"auth","token":"secret","id":1}')
    assert auth == Auth("secret", 1)
    assert "secret" not in repr(auth)
    assert read('{"op":"command","subject":"command.v1.session.bt%2E7","action":"pause"}') == Command(
        "command.v1.session.bt%2E7", "pause", {}, None
    )


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", Refusal.BAD_JSON),
        ("{", Refusal.BAD_JSON),
        ("[]", Refusal.BAD_JSON),
        ("NaN", Refusal.BAD_JSON),
        ("[" * 100_000, Refusal.BAD_JSON),
        ("{}", Refusal.UNKNOWN_OP),
        ('{"op":"fly"}', Refusal.UNKNOWN_OP),
        ('{"op":["ping"]}', Refusal.UNKNOWN_OP),
        ('{"op":"ping","id":{}}', Refusal.BAD_REQUEST),
        ('{"op":"ping","id":true}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe"}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":[]}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":"a"}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":[1]}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":["a"],"snapshot":"yes"}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":["a..b"]}', Refusal.BAD_TOPIC),
        ('{"op":"subscribe","topics":["c.>"]}', Refusal.BAD_TOPIC),
        ('{"op":"subscribe","topics":["uw.*.no_such.>"]}', Refusal.BAD_TOPIC),
        ('{"op":"subscribe","topics":["dead.v1.>"]}', Refusal.BAD_TOPIC),
        ('{"op":"subscribe","topics":["uw.v1.a.b.c.d.e.f"]}', Refusal.BAD_TOPIC),
        ('{"op":"subscribe","topics":["uw.v1.>"],"since":"TAPE.e.1"}', Refusal.BAD_REQUEST),
        ('{"op":"subscribe","topics":["uw.v1.>"],"since":["TAPE.1"]}', Refusal.BAD_POSITION),
        ('{"op":"subscribe","topics":["uw.v1.>"],"since":["TAPE.e.-1"]}', Refusal.BAD_POSITION),
        ('{"op":"subscribe","topics":["uw.v1.>"],"since":["TAPE.e.1","TAPE.e.2"]}', Refusal.BAD_POSITION),
        ('{"op":"subscribe","topics":["uw.v1.>"],"filter":7}', Refusal.BAD_FILTER),
        ('{"op":"subscribe","topics":["uw.v1.flow_alert.*"],"filter":"prmium > 1"}', Refusal.BAD_FILTER),
        ('{"op":"subscribe","topics":["uw.v1.flow_alert.*"],"filter":"premium >"}', Refusal.BAD_FILTER),
        ('{"op":"auth"}', Refusal.BAD_REQUEST),
        ('{"op":"auth","token":""}', Refusal.BAD_REQUEST),
        ('{"op":"command","subject":"uw.v1.price.SPY","action":"stop"}', Refusal.BAD_TOPIC),
        ('{"op":"command","subject":"command.v1.gateway.a","action":"list_clients"}', Refusal.BAD_TOPIC),
        ('{"op":"command","subject":"command.v1.session.>","action":"stop"}', Refusal.BAD_TOPIC),
        ('{"op":"command","subject":"command.v1.session.a"}', Refusal.BAD_REQUEST),
        ('{"op":"command","subject":"command.v1.session.a","action":"stop","data":[]}', Refusal.BAD_REQUEST),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_a_reason(text: str, refusal: Refusal):
    """Each mistake has its own word and a sentence."""
    request = read(text)

    assert isinstance(request, Wrong)
    assert request.refusal is refusal
    assert request.message


def test_too_many_topics_are_refused():
    """A request may not ask for more topics than a client may have."""
    topics = [f"a.{n}" for n in range(MAX_TOPICS + 1)]

    assert isinstance(request := read(orjson.dumps({"op": "subscribe", "topics": topics}).decode()), Wrong)
    assert request.refusal is Refusal.TOO_MANY


def test_too_many_patterns_are_refused_beside_any_number_of_subjects():
    """Subjects are looked up, wildcards are compared: of these a client may have fewer."""
    subjects = [f"signal.v1.T{n}" for n in range(500)]
    patterns = [f"uw.v1.gex_strike.T{n}.*" for n in range(MAX_PATTERNS + 1)]

    few = read(orjson.dumps({"op": "subscribe", "topics": subjects + patterns[1:]}).decode())
    many = read(orjson.dumps({"op": "subscribe", "topics": patterns}).decode())
    assert isinstance(few, Subscribe)
    assert isinstance(many, Wrong)
    assert (many.refusal, "wildcard" in many.message) == (Refusal.TOO_MANY, True)


def test_every_subject_of_the_catalogue_may_be_asked_for():
    """No pattern that is heard is too long or unknown, nor is everything at once."""
    patterns = [entity.pattern for stored in heard_streams().values() for entity in stored]

    assert all(why_unheard(topic) is None for topic in [*patterns, ">", "*.v1.>", "*.*.>"])


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(str))
def test_reading_never_fails(text: str):
    """Whatever a client says, there is an answer."""
    assert read(text)


def test_an_event_carries_the_body_as_it_came():
    """Topic, position and time stand before the body, which is not rewritten."""
    assert orjson.loads(Native().encode(SAID)) == {
        "op": "event",
        "topic": "signal.v1.SPY",
        "at": "SIGNAL.e1.7",
        "time": "2026-01-02T03:04:05Z",
        "data": {"symbol": "SPY"},
    }
    assert orjson.loads(Native().snapshot_item(SAID))["snapshot"] is True


def test_a_body_that_is_no_json_is_not_said():
    """Garbage on the bus never becomes a broken frame."""
    garbage = Event("signal.v1.SPY", "signal", "SIGNAL", 7, "SIGNAL.e1.7", None, b'{"symbol":')

    with pytest.raises(ValueError, match="unexpected end"):
        Native().encode(garbage)


def test_the_plain_answers():
    """Pings and mistakes are answered without asking anybody."""
    native = Native()

    assert [orjson.loads(a) for a in native.hear('{"op":"ping","id":3}', NOW)] == [
        {"op": "pong", "time": "2026-01-02T03:04:05.000Z", "id": 3}
    ]
    (answer,) = native.hear('{"op":"fly","id":4}', NOW)
    assert orjson.loads(answer)["code"] == "unknown_op"
    assert orjson.loads(answer)["id"] == 4
