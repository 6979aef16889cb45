"""Subject tokens: any text, there and back."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baleen_contracts.tokens import name_token, strike_token, symbol_token, token, untoken

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(ANY_TEXT)
@example("BRK.B")
@example("BF/B")
@example("^SPX")
@example("ONSOLVE LLC")
@example("Ünïcödé 東京")
@example("_")
@example("*")
@example(">")
@example("%2E")
@example("~")
@example("a\r\nb\x00")
def test_any_text_comes_back(text: str):
    """A token names its text and no other."""
    assert untoken(token(text)) == text


@given(ANY_TEXT)
def test_a_token_is_one_token(text: str):
    """What a token holds can neither split a subject, nor match others, nor break a protocol line."""
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", token(text))


@given(ANY_TEXT, ANY_TEXT)
def test_two_texts_have_two_tokens(one: str, other: str):
    """Different keys never share a subject."""
    assert (token(one) == token(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "written"), [("SPY", "SPY"), ("BRK.B", "BRK%2EB"), ("_", "%5F"), ("a_b", "a_b"), (None, "_")]
)
def test_the_spelling_is_fixed(text: str | None, written: str):
    """Subjects are permissions too, so their spelling never changes."""
    assert token(text) == written
    assert untoken(written) == text


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_what_no_token_can_hold_is_refused(text: str):
    """An empty key and a lone surrogate have no token."""
    with pytest.raises(ValueError, match=r"empty|surrogate"):
        token(text)


@pytest.mark.parametrize("written", ["", "%", "%2", "%zz", "BRK.B", "%41", "%2e", "%ff", "a b", "a*"])
def test_what_no_text_is_written_as_is_refused(written: str):
    """Reading is strict: one text, one spelling."""
    with pytest.raises(ValueError, match=r"token|decode"):
        untoken(written)


def test_symbols_are_upper_and_names_lower_case():
    """One instrument and one agent have one subject, however they are typed."""
    assert symbol_token("brk.b") == symbol_token("BRK.B") == "BRK%2EB"
    assert name_token("MarketAgent") == name_token("marketagent") == "marketagent"
    assert symbol_token(None) == name_token(None) == "_"


@pytest.mark.parametrize(
    ("strike", "written"),
    [
        (590.0, "590"),
        (592.5, "592%2E5"),
        (0.5, "0%2E5"),
        (1e7, "10000000"),
        (12.125, "12%2E125"),
        (100.0, "100"),
    ],
)
def test_a_strike_has_one_spelling(strike: float, written: str):
    """No exponent, no trailing zero."""
    assert strike_token(strike) == written
