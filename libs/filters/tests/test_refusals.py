"""What is no filter, and what its writer is told."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baleen_filters import FieldType, Filter, FilterFlawed, compile_filter
from baleen_filters.tree import RESERVED

FIELDS = {
    "premium": FieldType.NUMBER,
    "price": FieldType.NUMBER,
    "side": FieldType.TEXT,
    "has_sweep": FieldType.BOOLEAN,
    "occurred_at": FieldType.TIME,
    "expiry": FieldType.DATE,
    "tags": FieldType.TEXTS,
    "signal": FieldType.OBJECT,
    "payload": FieldType.ANY,
    "detail": FieldType.MIXED,
}
COMPARISON = "expected ==, !=, <, <=, >, >=, in, contains, is, and, or, or the end"
OPERAND = 'expected a field, "not" or "("'
TIME = "expected a time with a zone, such as 2026-04-27T14:31:02Z, or a date, from 0:00 UTC on"


def told(text: str) -> str:
    """The refusal of *text*."""
    with pytest.raises(FilterFlawed) as refused:
        compile_filter(text, FIELDS)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: a filter cannot be empty"),
        (" \n", "column 1: a filter cannot be empty"),
        ("premium >=", "column 11: expected a value or a field, found the end"),
        ("premium 5", f'column 9: {COMPARISON}, found "5"'),
        ("premium > 5 price", 'column 13: expected "and", "or" or the end, found "price"'),
        ("premium > 5 AND price > 1", 'column 13: expected "and", "or" or the end, found "AND"'),
        ("1 < premium < 5", f'column 1: {OPERAND}, found "1"'),
        ("premium > 1 < 5", 'column 13: expected "and", "or" or the end, found "<"'),
        ('"ask" == side', f'column 1: {OPERAND}, found "ask"'),
        ("premium > 5 and", f"column 16: {OPERAND}, found the end"),
        ("and", f'column 1: {OPERAND}, found "and"'),
        ("(premium > 5", 'column 13: expected "and", "or" or ")", found the end'),
        ("premium > 5)", 'column 12: expected "and", "or" or the end, found ")"'),
        ("()", f'column 2: {OPERAND}, found ")"'),
        ("premium = 5", 'column 9: there is no "=": write "=="'),
        ("premium > 5 && price > 1", 'column 13: there is no "&&": write "and"'),
        ("premium > 5 || price > 1", 'column 13: there is no "||": write "or"'),
        ("!has_sweep", 'column 1: there is no "!": write "not"'),
        ("premium <> 5", 'column 9: there is no "<>": write "!="'),
        ("premium > 5 * 2", 'column 13: "*" cannot stand here'),
        ("len(tags) > 1", f'column 4: {COMPARISON}, found "("'),
        ("side.upper() == 'A'", f'column 11: {COMPARISON}, found "("'),
        ("side.upper == 'A'", 'column 1: "side" is a text and has no fields of its own'),

        ("side =~ 'a.*'", 'column 6: there is no "=": write "=="'),
        ("side == 'ask", "column 9: this text never ends: \"'ask\""),
        ("side == 'a\nb'", 'column 11: "\\u{a}" cannot stand in a text'),
        ("side == '\ud800'", 'column 10: "\\u{d800}" cannot stand in a text'),
        ("side == '\u202e'", 'column 10: "\\u{202e}" cannot stand in a text'),
        (r"side == 'a\n'", 'column 11: expected a quote or a backslash, found "n"'),
        ("\u202eside == 'a'", 'column 1: "\\u{202e}" cannot stand here'),
        ("side == `ask`", 'column 9: "`" cannot stand here'),
        ("premium > 5m", 'column 11: "5m" is no number'),
        ("premium > 1.", 'column 11: "1." is no number'),
        ("premium > 1_000", 'column 11: "1_" is no number'),
        ("premium > 1e999", 'column 11: "1e999" is larger than any number here'),
        ("premium > " + "9" * 400, f'column 11: "{"9" * 40}…" is larger than any number here'),
        ("premium > ٣", 'column 11: "٣" cannot stand here'),
        ("premium in 5", 'column 12: expected a list such as ["a", "b"], found "5"'),
        ("premium in []", 'column 13: expected a value, found "]"'),
        ("premium in [1", 'column 14: expected "," or "]", found the end'),
        ("premium in [1, null]", 'column 16: expected a value, found "null"'),
        ("premium in [1, price]", 'column 16: expected a value, found "price"'),
        ("premium not in [1]", 'column 9: "not" stands before the comparison, as in: not premium in ['),
        ("premium is 5", 'column 12: expected "null" or "not null", found "5"'),
        ("premium is not 5", 'column 16: expected "null", found "5"'),
        ("premium > null", 'column 11: null has no order: write "is null" or "is not null"'),
        ("tags contains side", 'column 15: expected a value, found "side"'),
        # types
        ('price == "x"', "column 10: expected a number, found a text"),
        ("price > true", "column 9: expected a number, found true or false"),
        ("side == 5", "column 9: expected a text, found a number"),
        ('side in ["a", 5]', "column 15: expected a text, found a number"),
        ("side == price", "column 9: expected a text, found a number"),
        ("has_sweep == 1", "column 14: expected true or false, found a number"),
        ("has_sweep > false", 'column 1: "has_sweep" is true or false: expected "==" or "!="'),
        ("premium", 'column 1: "premium" is a number: expected a comparison with something'),
        ("premium and has_sweep", 'column 1: "premium" is a number: expected a comparison with something'),
        ("signal", 'column 1: "signal" is an object: expected a comparison with something'),
        ("signal == 1", 'column 1: "signal" is an object: expected one of its fields, or "is null"'),
        ('tags == "a"', 'column 1: "tags" is a list of texts: expected "contains" or "is null"'),
        ("tags == tags", 'column 1: "tags" is a list of texts: expected "contains" or "is null"'),
        ("tags contains 5", "column 15: expected a text, found a number"),
        ("premium contains 5", 'column 1: "premium" is a number: only texts and lists contain something'),
        ('occurred_at > "noon"', f"column 15: {TIME}"),
        ('occurred_at > "2026-04-27T14:31:02"', f"column 15: {TIME}"),
        ('occurred_at > "0001-01-01T00:00:00+23:00"', f"column 15: {TIME}"),
        ("occurred_at > 1777300262", f"column 15: {TIME}"),
        ('expiry > "2026-13-01"', "column 10: expected a date, such as 2026-05-16"),
        ("expiry > 20260516", "column 10: expected a date, such as 2026-05-16"),
        ("expiry > occurred_at", "column 10: expected a date, found a time"),
        ("payload == signal.a", "column 12: the type of neither is known: compare each with a value"),
        ('payload in ["a", 1]', "column 18: expected a text as before, found a number"),
        # fields
        ("detail is null", 'column 1: "detail" is of different types in the messages asked for: '),
        ("detail.a is null", 'column 1: "detail.a" is of different types in the messages asked for: '),
        ("premium.a > 1", 'column 1: "premium" is a number and has no fields of its own'),
        (
            "price > premum",
            'column 9: unknown field "premum"; known: premium, price, expiry, has_sweep, occurred_at',
        ),
        ("__class__ is null", 'column 1: unknown field "__class__"; known: '),
        # limits
        ("premium > 1" + " " * 990, "column 1001: longer than 1000 characters"),
        ("(" * 17 + "has_sweep" + ")" * 17, "column 18: nested deeper than 16 levels"),
        ("not " * 17 + "has_sweep", "column 69: nested deeper than 16 levels"),
        ("has_sweep or " * 33, "column 417: more than 32 comparisons"),
        ("price in [" + "1," * 101, "column 211: more than 100 values in a list"),
        ("payload" + ".a" * 8 + " is null", "column 1: more than 8 names joined by dots"),
    ],
)  # fmt: skip
def test_a_refusal_says_where_and_what_was_expected(text, message):
    """Every way to write no filter, with the words its writer gets."""
    assert told(text).startswith(message)


def test_a_refusal_knows_its_column():
    """For editors that mark the place."""
    with pytest.raises(FilterFlawed) as refused:
        compile_filter("premium >> 5", FIELDS)

    assert refused.value.column == 10


def test_unknown_fields_get_the_known_ones_the_nearest_first():
    """All that can be used; with very many, as many as a message bears."""
    many = {f"field_{number}": FieldType.NUMBER for number in range(1_000)} | {"sentiment": FieldType.TEXT}
    with pytest.raises(FilterFlawed) as refused:
        compile_filter("sentimant == 'bullish'", many)

    said = str(refused.value)
    assert said.startswith('column 1: unknown field "sentimant"; known: sentiment, field_0, field_1, ')
    assert re.search(r" and \d+ more$", said)
    assert len(said) < 2_000
    with pytest.raises(FilterFlawed, match=r"known: none$"):
        compile_filter("a is null", {})


def test_a_refusal_repeats_little_and_nothing_that_does_not_print():
    """What a client wrote reaches logs and screens only short and visible."""
    for text in ("x" * 900, "'" + "\x1b[31m" * 100, "\x00", "side == '" + "y" * 500):
        said = told(text)
        assert len(said) < 300
        assert said.isprintable()


SIGNS = ["==", "<", "(", ")", "[", "]", ",", '"ask"', "'", "5", "-1e3", " ", "a.b", "\\"]
fragments = st.sampled_from([*sorted(RESERVED), *FIELDS, *SIGNS])
texts = (
    st.text(max_size=1_100)
    | st.lists(fragments).map("".join)
    | st.lists(fragments, max_size=60).map(" ".join)
)


@settings(max_examples=500)
@given(text=texts)
def test_any_text_is_a_filter_or_is_refused_in_words(text):
    """Nothing else can come of it, and the words are printable."""
    found = tried(text)

    if isinstance(found, Filter):
        assert found.matches({}) in {True, False}
    else:
        said = str(found)
        assert re.match(r"column \d+: ", said)
        assert 1 <= found.column <= min(len(text), 1_000) + 1
        assert len(said) < 2_000
        assert said.isprintable()


def tried(text: str) -> Filter | FilterFlawed:
    """The filter of *text*, or its refusal."""
    try:
        return compile_filter(text, FIELDS)
    except FilterFlawed as flawed:
        return flawed
