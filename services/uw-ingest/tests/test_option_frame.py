"""The short road of the option tape equals the long one."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.option_trade import OptionTrade
from uw_ingest.errors import Refused
from uw_ingest.normalize import from_socket
from uw_ingest.normalize.option_frame import OPENING, OptionPrint, OptionRow, option_frame
from uw_ingest.upstream.decode import Data, decode
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
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "option_symbol": "UVIX240920C00000000"}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "trade_code": "x" * 65}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "id": "two words"}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "id": "a\x7fb"}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "id": "a~b"}).replace(b"~", b"\x01") + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "exchange": "\u00e9"}) + b"]",
        b'["option_trades",' + orjson.dumps({**FRAMES[0][1], "exchange": '"'}) + b"]",
        b'["option_trades",{"unread":"\xff",' + orjson.dumps(FRAMES[0][1])[1:] + b"]",
    ],
)
def test_whatever_is_unusual_is_left_to_the_long_road(body: bytes):
    """Answers, other channels, cancellations and nonsense are not decided here."""
    assert option_frame(body, NOW) is None


RULES = (
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "minLength",
    "maxLength",
    "maxItems",
    "anyOf",
    "items",
)
DERIVED = {"expiry", "option_type", "strike", "side", "sentiment", "trade_codes", "received_at"}
MOMENTS = {"occurred_at", "recorded_at"}


def rules(schema: dict[str, Any]) -> dict[str, Any]:
    """What a JSON Schema demands of a value, without its words; a blank text counts as absence."""
    found = {rule: schema[rule] for rule in RULES if rule in schema}
    if "anyOf" in found:
        found["anyOf"] = [rules(choice) for choice in found["anyOf"] if choice != {"enum": [""]}]
    if "items" in found:
        found["items"] = rules(found["items"])
    return found


def differences(row: type[msgspec.Struct]) -> list[str]:
    """The fields that a row reads by other rules than the contract's."""
    contract = OptionTrade.model_json_schema()["properties"]
    read = msgspec.json.schema(row)["$defs"][row.__name__]["properties"]
    told = {field.name: read[field.encode_name] for field in msgspec.structs.fields(row)}
    return [
        name
        for name in OptionTrade.model_fields
        if name not in DERIVED | MOMENTS and rules(told.get(name, {})) != rules(contract[name])
    ]


def test_every_field_is_read_by_the_contracts_rules():
    """Bounds, lengths and absence; the contract is the one truth of them."""
    assert differences(OptionRow) == []


def test_the_comparison_of_rules_sees_a_loosened_bound():
    """A field that allows more, and one that is missing."""

    class Loose(OptionRow):
        price: float

    assert differences(Loose) == ["price"]
    assert "price" in differences(msgspec.defstruct("Bare", []))


def test_a_print_has_exactly_the_contracts_fields():
    """A field added to the contract is asked for here."""
    assert set(OptionPrint.__struct_fields__) == set(OptionTrade.model_fields)


def test_a_body_is_valid_by_the_contract_itself():
    """What travels reads back as the contract's own message, field by field."""
    for frame in FRAMES:
        _, trade = option_frame(orjson.dumps(frame), NOW) or pytest.fail("not taken")
        told = OptionTrade.model_validate_json(trade.to_json())

        assert {name: getattr(trade, name) for name in OptionTrade.model_fields} == dict(told)


def leniently_read(value: Any) -> bool:
    """Whether a text spells nothing or a number in the two ways that only the short road reads."""
    return isinstance(value, str) and re.fullmatch(r"null|-?\d+(\.\d+)?e[-+]?\d+", value.lower()) is not None


@pytest.mark.parametrize(("name", "text", "read"), [("size", "1e3", 1_000), ("volume", "Null", None)])
def test_two_spellings_are_read_that_the_long_road_refuses(name: str, text: str, read: int | None):
    """A quoted count with an exponent, and a quoted null: what is read is within the rules all the same."""
    body = orjson.dumps([FRAMES[0][0], {**FRAMES[0][1], name: text}])
    _, trade = option_frame(body, NOW) or pytest.fail("not taken")

    assert getattr(trade, name) == read
    assert long_way(body) is None


NUMERALS = (
    "1,-1,+1, 1,1 ,01,1_0,0x1,1.,.1,1.0,-0,1.5,nan,inf,-Infinity,9007199254740993,1726670167412,,true,1e9"
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(-1e20, 1e20),
    st.text(max_size=9),
    st.sampled_from(NUMERALS.split(",")),
)


@given(
    st.dictionaries(st.sampled_from(sorted(FRAMES[0][1])), VALUES | st.lists(VALUES, max_size=2), max_size=3)
)
def test_what_the_short_road_takes_the_long_road_takes_and_alike(spoilt: dict[str, Any]):
    """With any fields spoilt it never invents a message and never makes another one."""
    body = orjson.dumps([FRAMES[0][0], {**FRAMES[0][1], **spoilt}])
    found = short_way(body)

    assert found is None or found == long_way(body) or any(map(leniently_read, spoilt.values()))
