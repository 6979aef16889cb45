"""What one frame is."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_ingest.refusals import Refusal
from uw_ingest.upstream.decode import MAX_FRAME_BYTES, Answer, Complaint, Data, decode, sniff_channel

LIMIT = "Channel subscription limit of 50 reached"


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (b'["gex:SPY",{"response":{},"status":"ok"}]', Answer("gex:SPY", accepted=True)),
        (b'["x",{"response":"no such channel","status":"error"}]', Answer("x", False, "no such channel")),
        (b'["x",{"error":"not in your plan"}]', Answer("x", accepted=False, why="not in your plan")),
        (b'{"error":"' + LIMIT.encode() + b'"}', Complaint(LIMIT)),
        (b'["error",null,"' + LIMIT.encode() + b'"]', Complaint(LIMIT)),
        (b'"' + LIMIT.encode() + b'"', Complaint(LIMIT)),
        (b'["price",{"close":"1","status":"x"}]', Data("price", {"close": "1", "status": "x"})),
        (b"[]", Refusal.NOT_A_PAIR),
        (b"null", Refusal.NOT_A_PAIR),
        (b'["price",{},{}]', Refusal.NOT_A_PAIR),
        (b'["",{}]', Refusal.BAD_CHANNEL),
        (b"[1,{}]", Refusal.BAD_CHANNEL),
        (b'["' + b"x" * 65 + b'",{}]', Refusal.BAD_CHANNEL),
        (b'["price",[1]]', Refusal.BAD_PAYLOAD),
        (b'["price",null]', Refusal.BAD_PAYLOAD),
        (b'["price",{"close":NaN}]', Refusal.NOT_JSON),
        (b'["price",{"close":1e999}]', Refusal.NOT_JSON),
        (b"[" * 100_000, Refusal.NOT_JSON),
        (b"", Refusal.NOT_JSON),
        (b'["news",{"headline":"\xff\xfe"}]', Refusal.INVALID_UTF8),
        (b" " * (MAX_FRAME_BYTES + 1), Refusal.OVERSIZED),
    ],
)  # fmt: skip
def test_every_kind_of_frame_has_one_meaning(body: bytes, meaning: object):
    """Data, answers, complaints, and a reason for everything else."""
    assert decode(body) == meaning


@pytest.mark.parametrize("depth", [10, 254, 900])
def test_words_that_are_no_text_are_written_as_json(depth: int):
    """An error may be any JSON, nested deeper than can be written."""
    said = decode(b'["x",{"error":' + b"[" * depth + b"]" * depth + b"}]")

    assert isinstance(said, Answer)
    assert not said.accepted


@given(st.binary(max_size=200))
def test_no_bytes_can_make_it_raise(body: bytes):
    """Whatever upstream sends, there is an answer."""
    assert decode(body) is not None


SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e300, 1e300) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_no_json_can_make_it_raise(value: object):
    """Any shape of JSON is data, an answer, a complaint or a refusal."""
    assert isinstance(decode(orjson.dumps(value)), Data | Answer | Complaint | Refusal)


def test_the_channel_of_an_unread_frame_can_be_guessed():
    """A dropped frame is counted for its feed without being parsed."""
    assert sniff_channel(b'["option_trades:SPY",{"id":1}]') == "option_trades:SPY"
    assert sniff_channel(b'{"error":"x"}') is None
    assert sniff_channel(b'["' + b"x" * 100) is None
    assert sniff_channel(b'["\xff",{}]') is None
