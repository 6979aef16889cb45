"""What every message has in common."""

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from baleen_contracts.bridge import BridgeEvent
from baleen_contracts.catalogue import by_name, example
from baleen_contracts.message import digest
from baleen_contracts.option_trade import OptionTrade
from baleen_contracts.price import Price

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)


def _trade(**changes: Any) -> OptionTrade:
    return OptionTrade.model_validate({**example(by_name("option_trade")), **changes})


def test_a_message_cannot_be_changed():
    """Everybody may hold the same one."""
    with pytest.raises(ValidationError):
        _trade().price = 1.0  # type: ignore[misc]


def test_fields_that_nobody_knows_are_ignored():
    """A newer publisher does not break an older reader."""
    assert _trade(tomorrow="?") == _trade()


@pytest.mark.parametrize(
    "price", [float("nan"), float("inf"), "NaN", "-Infinity", -1, 1e12, "12x", None, [], {}]
)
def test_numbers_are_finite_bounded_and_numbers(price: Any):
    """A mad number stops before the bus."""
    with pytest.raises(ValidationError):
        _trade(price=price)


@pytest.mark.parametrize("size", [-1, 2**53 + 1, 1.5, "many", 10**400])
def test_counts_are_whole_and_exact_in_every_reader(size: Any):
    """Beyond 2**53 a JSON reader would round."""
    with pytest.raises(ValidationError):
        _trade(size=size)


@pytest.mark.parametrize("bad", ["two words", "line\r\nbreak", "", "ä", "x" * 201])
def test_an_id_can_stand_in_a_header(bad: str):
    """An id is printable ASCII without spaces, so that it can never write a header of its own."""
    with pytest.raises(ValidationError):
        _trade(id=bad)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.integers(-12, 14))  # noqa: DTZ001 - the zone is the other argument
def test_times_travel_as_utc(local: datetime, hours: int):
    """Whatever the zone of the publisher, the wire says Z and means the same moment."""
    time = local.replace(tzinfo=timezone(timedelta(hours=hours)))
    message = Price(symbol="SPY", price=1.0, occurred_at=time, received_at=time)

    assert message.occurred_at == time
    assert message.occurred_at.utcoffset() == timedelta(0)
    assert b'Z","received_at"' in message.to_json()
    assert Price.model_validate_json(message.to_json()) == message


@pytest.mark.parametrize("time", ["2026-04-27T12:00:00", datetime(2026, 4, 27, 12), "noon"])  # noqa: DTZ001 - that is the point
def test_a_time_without_a_zone_is_refused(time: Any):
    """Nobody guesses where a clock hangs."""
    with pytest.raises(ValidationError, match="a time with a zone"):
        Price(symbol="SPY", price=1.0, occurred_at=time, received_at=NOON)


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", 10**30, -(10**30)]
)
def test_a_time_beyond_the_calendar_is_refused(time: Any):
    """Converting it fails as a refusal, not as a crash."""
    with pytest.raises(ValidationError):
        Price(symbol="SPY", price=1.0, occurred_at=time, received_at=NOON)


@pytest.mark.parametrize(
    "value", ["\ud800", 10**400, float("nan"), [{"a": "\ud800"}], {"\ud800": 1}, object()]
)
def test_free_data_hold_only_what_every_reader_can_read(value: Any):
    """What could not be written or read is refused where the message is made, however deep it hides."""
    with pytest.raises(ValidationError):
        BridgeEvent(event_type="x", data={"deep": [{"er": value}]}, occurred_at=NOON)


def test_bottomless_data_are_refused():
    """Nesting has an end."""
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(ValidationError):
        BridgeEvent(event_type="x", data=deep, occurred_at=NOON)


def test_upstream_numbers_may_come_as_text_and_leave_as_numbers():
    """Upstream writes decimals as text and times as milliseconds."""
    message = _trade(price="0.07", occurred_at=1747419592926)

    assert b'"price":0.07' in message.to_json()
    assert b'"occurred_at":"2025-05-16T18:19:52.926000Z"' in message.to_json()


def test_absent_fields_do_not_travel_but_nulls_inside_free_data_do():
    """An absent field is left out; what a publisher put into its own data is kept to the letter."""
    event = BridgeEvent(event_type="x", data={"sl": None, "legs": [None, {"tp": None}]}, occurred_at=NOON)

    assert b'"data":{"sl":null,"legs":[null,{"tp":null}]}' in event.to_json()
    assert b'"id"' not in event.to_json()


def test_a_published_message_has_arrived_when_it_occurred_unless_told():
    """Publishers need to say one time only."""
    assert BridgeEvent(event_type="x", occurred_at=NOON).received_at == NOON


def test_without_an_id_a_published_message_is_known_by_its_body():
    """Telling the same twice is one message, whenever it is heard; any other content is another."""
    told = BridgeEvent(event_type="x", data={"n": 1}, occurred_at=NOON)
    heard_later = told.model_copy(update={"received_at": NOON + timedelta(seconds=5)})
    other = BridgeEvent(event_type="x", data={"n": 2}, occurred_at=NOON)

    assert told.message_id == heard_later.message_id
    assert told.message_id != other.message_id
    assert BridgeEvent(id="mine", event_type="x", occurred_at=NOON).message_id == "bridge_event:mine"


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_digests_keep_their_parts_apart(one: list[str], other: list[str]):
    """The parts of a digest cannot run into each other."""
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.lists(st.none() | st.text(alphabet=st.characters())))
def test_a_digest_is_that_of_the_parts_as_json(parts: list[str | None]):
    """Streams know messages again by it, so it stays as it is, whatever the parts hold."""
    assert digest(*parts) == blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
