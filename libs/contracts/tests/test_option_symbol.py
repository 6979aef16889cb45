"""OCC option symbols."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.option_symbol import OptionSymbol


def test_a_symbol_says_four_things():
    """Root, expiry, kind and strike in dollars."""
    assert OptionSymbol.parse("SPY250516C00590000") == OptionSymbol("SPY", date(2025, 5, 16), "call", 590.0)
    assert OptionSymbol.parse("SPXW  261218P05912500").strike == 5912.5


@given(
    st.from_regex(r"[A-Z]{1,6}", fullmatch=True),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["call", "put"]),
    st.integers(1, 99_999_999),
)
def test_every_symbol_comes_back(root: str, expiry: date, kind: str, thousandths: int):
    """Reading undoes writing, to the tenth of a cent."""
    symbol = OptionSymbol(root, expiry, "call" if kind == "call" else "put", thousandths / 1_000)

    assert OptionSymbol.parse(str(symbol)) == symbol


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SPY",
        "SPY251301C00590000",
        "SPY250230C00590000",
        "SPY250516X00590000",
        "SPY250516C0059000",
        "spy250516C00590000",
        "SPY250516C0059000٣",
        "TOOLONGG250516C00590000",
        "SPY250516C00590000\n",
    ],
)
def test_what_is_none_is_refused(text: str):
    """No guess is made."""
    with pytest.raises(ValueError, match=r"no OCC|no day"):
        OptionSymbol.parse(text)
