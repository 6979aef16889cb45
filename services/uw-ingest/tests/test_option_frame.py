"""The short road of the option tape equals the long one."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_ingest.decode import Data, decode
from uw_ingest.errors import Refused
from uw_ingest.normalize import from_socket
from uw_ingest.normalize.option_frame import OPENING, option_frame
from uw_simulator import samples

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
FRAMES = samples.socket_frames()["option_trades"]


def long_way(body: bytes) -> dict[str, Any] | None:
    """What decode and option_trade make of a frame, as it travels."""
    said = decode(body)
    if not isinstance(said, Data):
        return None
    try:
        message = from_socket(said.channel, said.payload, NOW)
    except Refused:
        return None
    return {"subject": message.subject, "id": message.message_id, **json.loads(message.to_json())}


def short_way(body: bytes) -> dict[str, Any] | None:
    """What the short road makes of it."""
    found = option_frame(body, NOW)
    if found is None:
        return None
    _, trade = found
    return {"subject": trade.subject, "id": trade.message_id, **json.loads(trade.to_json())}


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_every_captured_print_takes_the_short_road_and_ends_the_same(number: int):
    """Byte for byte the same fields, the same subject, the same identity."""
    body = orjson.dumps(FRAMES[number])

    assert body.startswith(OPENING)
    assert short_way(body) == long_way(body) is not None


def test_an_index_print_takes_the_short_road_too():
    """Its underlying price is withheld; the body leaves the field out."""
    channel, payload = FRAMES[0]
    index = {
        **payload,
        "underlying_price": "",
        "underlying_symbol": "SPX",
        "option_symbol": "SPXW261120C06000000",
    }
    body = orjson.dumps([channel, index])

    assert short_way(body) == long_way(body) is not None
    assert "underlying_price" not in (short_way(body) or {})


@pytest.mark.parametrize(
    "body",
    [
        b'["option_trades",{"response":{},"status":"ok"}]',
        b'["option_trades",{}]',
        b'["option_trades',
        b'["option_trades_2",' + orjson.dumps(FRAMES[0][1]) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "canceled": True}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "option_symbol": "UVIX240931C00025000"}) + b"]",
        b'["option_trades",' + orjson.dumps(FRAMES[0][1]) + b",1]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "price": "NaN"}) + b"]",
    ],
)
def test_whatever_is_unusual_is_left_to_the_long_road(body: bytes):
    """Answers, other channels, cancellations and nonsense are not decided here."""
    assert option_frame(body, NOW) is None


VALUES = (
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e20, 1e20) | st.text(max_size=9)
)


@given(
    st.dictionaries(st.sampled_from(sorted(FRAMES[0][1])), VALUES | st.lists(VALUES, max_size=2), max_size=3)
)
def test_what_the_short_road_takes_the_long_road_takes_and_alike(spoilt: dict[str, Any]):
    """With any fields spoilt it never invents a message and never makes another one."""
    body = orjson.dumps([FRAMES[0][0], {**FRAMES[0][1], **spoilt}])
    found = short_way(body)

    assert found is None or found == long_way(body)
