"""Close codes."""

import pytest

from baleen_contracts.close_codes import CLOSE_CODES, RANGES, Return, code_of, comes_back


def test_every_native_code_keeps_the_promise_of_its_range():
    """A client that knows only the ranges does the right thing."""
    for entry in CLOSE_CODES:
        if entry.spoken == "native protocol":
            assert [answer for codes, answer in RANGES if entry.code in codes] == [entry.comes_back]


def test_codes_and_names_are_unique_where_they_are_spoken():
    """One reason, one code."""
    assert len({entry.code for entry in CLOSE_CODES}) == len(CLOSE_CODES)
    assert len({(entry.name, entry.spoken) for entry in CLOSE_CODES}) == len(CLOSE_CODES)


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (4042, Return.AT_ONCE),
        (4142, Return.LATER),
        (4442, Return.NEVER),
        (1008, Return.NEVER),
        (1006, Return.LATER),
    ],
)
def test_an_unknown_code_is_obeyed(code: int, answer: Return):
    """New codes need no new client."""
    assert comes_back(code) is answer


def test_a_reason_has_its_code_on_each_protocol():
    """Both kinds of client are told the same thing in their own words."""
    assert (code_of("leaving", native=True), code_of("leaving", native=False)) == (4000, 1012)
    with pytest.raises(KeyError, match="too_slow"):
        code_of("too_slow", native=False)
