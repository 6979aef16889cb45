"""Names that may be joined, and the bytes of server frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from uw_simulator.channels import ack_text, is_known, joined_name, text_frame


@pytest.mark.parametrize(
    "name",
    [
        "option_trades",
        "option_trades:BRK.B",
        "flow-alerts",
        "price:SPY",
        "net_flow:SPXW",
        "gex_strike_expiry",
        "news",
    ],
)
def test_names_of_the_catalogue_are_known(name: str):
    """Global and per-ticker forms, as each channel has them."""
    assert is_known(name)


@pytest.mark.parametrize(
    "name",
    [
        "net_flow", "flow_alerts", "flow-alerts:SPY", "lit_trades:SPY", "dark_pool", "futures:ESU6", "price:",
        "price:spy", ":", "", "market-movers",
    ],
)  # fmt: skip
def test_other_names_are_not(name: str):
    """A wrong form is as unknown as a wrong name; the add-on channels are not sold to us."""
    assert not is_known(name)


def test_a_record_is_heard_under_its_ticker_only_where_there_is_such_a_form():
    """`off_lit_trades` has no per-ticker form."""
    assert joined_name("price", "SPY") == "price:SPY"
    assert joined_name("off_lit_trades", "SPY") is None


def test_an_ack_echoes_the_name_as_captured():
    """The live acks have an empty response and status ok."""
    assert ack_text("gex:SPY") == b'["gex:SPY",{"response":{},"status":"ok"}]'


@given(st.sampled_from([0, 1, 125, 126, 65_535, 65_536, 70_000]), st.sampled_from([1, 2]), st.booleans())
def test_a_frame_is_what_a_websocket_client_reads(size: int, opcode: int, final: bool):
    """All three ways to say a length parse to the same payload."""
    reader = StreamReader()
    reader.feed_data(text_frame(b"x" * size, opcode=opcode, final=final))
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parsing)

    assert done.value.value == Frame(opcode, b"x" * size, fin=final)
