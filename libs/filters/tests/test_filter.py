"""What a filter means, that nothing makes it raise, and what is shared."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baleen_filters import FieldType, compile_filter
from baleen_filters.parser import MAX_DEPTH, MAX_LIST, MAX_TERMS

FIELDS = {
    "premium": FieldType.NUMBER,
    "volume": FieldType.NUMBER,
    "side": FieldType.TEXT,
    "symbol": FieldType.TEXT,
    "has_sweep": FieldType.BOOLEAN,
    "is_late": FieldType.BOOLEAN,
    "occurred_at": FieldType.TIME,
    "received_at": FieldType.TIME,
    "expiry": FieldType.DATE,
    "filed_on": FieldType.DATE,
    "tags": FieldType.TEXTS,
    "signal": FieldType.OBJECT,
    "payload": FieldType.ANY,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=3), deeper, max_size=3),
    max_leaves=6,
)


class Hostile(Mapping[str, Any]):
    """A mapping that fails whatever it is asked."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class Touchy:
    """A value that nothing may be compared with."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


EVERYTHING = [
    compile_filter(text, FIELDS)
    for text in (
        "premium > 1",
        "premium in [1, 2]",
        "premium > volume",
        'side == "a"',
        'side contains "a"',
        'side in ["a"]',
        "has_sweep",
        "has_sweep == is_late",
        'occurred_at > "2026-04-27"',
        "occurred_at < received_at",
        'expiry in ["2026-04-27"]',
        "expiry == filed_on",
        'tags contains "a"',
        "signal.a.b == 1",
        "payload contains 1",
        'payload in ["a"]',
        "payload",
    )
]
NEGATED = [compile_filter(f"not ({one.text})", FIELDS) for one in EVERYTHING]


@pytest.mark.parametrize("data", [None, [], "text", 3, True, [1], Hostile(), {1: 2}, Touchy()], ids=type)
def test_what_is_no_message_has_no_fields(data):
    """A body that is no object, and a mapping that cannot be read: every comparison is false."""
    assert not any(one.matches(data) for one in EVERYTHING)
    assert all(one.matches(data) for one in NEGATED)


@pytest.mark.parametrize(
    "value",
    [
        Touchy(),
        [Touchy()],
        {"a": Touchy()},
        {"a": {"b": Touchy()}},
        b"a",
        ("a",),
        {"a"},
        1j,
        datetime.now(UTC),
    ],
    ids=type,
)
def test_what_is_no_json_matches_nothing_and_raises_nothing(value):
    """A value of a type that JSON does not have is of another type, whatever it does when it is touched."""
    data = dict.fromkeys(FIELDS, value)

    assert not any(one.matches(data) for one in EVERYTHING)
    assert all(one.matches(data) for one in NEGATED)


@settings(max_examples=300)
@given(data=json_values | st.dictionaries(st.sampled_from(list(FIELDS)), json_values))
def test_no_json_raises(data):
    """Not even JSON that no contract knows, with NaN, huge integers and lone surrogates."""
    for one, negated in zip(EVERYTHING, NEGATED, strict=True):
        assert one.matches(data) is not negated.matches(data)


MESSAGE = {
    "premium": 125_000.0,
    "volume": 900,
    "side": "ask",
    "symbol": "BRK.B",
    "has_sweep": True,
    "is_late": False,
    "occurred_at": "2026-04-27T14:31:02.250000Z",
    "expiry": "2026-05-16",
    "tags": ["ask_side", "bullish"],
    "signal": {"confidence": 0.8, "source": {"name": "drift"}, "legs": [1, 2]},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('premium >= 100000 and side == "ask"', True),
        ('premium >= 100000 and side == "bid"', False),
        ("premium >= 125000", True),
        ("premium > 1.25e5", False),
        ("volume == 900.0", True),
        ("volume > premium", False),
        ("volume<premium", True),
        ("volume >= -1", True),
        ("symbol in ['BRK.B', \"SPY\"]", True),
        ('symbol == "brk.b"', False),
        ('symbol contains "K.B"', True),
        ('not symbol in ["BRK.B"]', False),
        ("has_sweep", True),
        ("not is_late and has_sweep == true", True),
        ("is_late != true", True),
        ('tags contains "bullish"', True),
        ('tags contains "bull"', False),
        ('occurred_at >= "2026-04-27T16:31:02.250000+02:00"', True),
        ('occurred_at > "2026-04-27T14:31:02.25Z"', False),
        ('occurred_at > "2026-04-27T14:31:02Z"', True),
        ('occurred_at >= "2026-04-27"', True),
        ('occurred_at < "2026-04-28"', True),
        ('expiry <= "2026-05-16"', True),
        ('expiry in ["2026-05-15"]', False),
        ("signal.confidence >= 0.75", True),
        ('signal.source.name == "drift"', True),
        ("signal.source.name.deeper is null", True),
        ("signal.legs contains 2", True),
        ('signal.legs contains "2"', False),
        ("signal is not null", True),
        ("filed_on is null", True),
        ("filed_on == null", True),
        ("expiry != null", True),
        # Absent, null or of another type: the comparison is false, and so its negation is true.
        ('filed_on != "2026-05-16"', False),
        ('not filed_on == "2026-05-16"', True),
        # `and` binds closer than `or`, `not` closer than both.
        ("is_late and is_late or has_sweep", True),
        ("is_late and (is_late or has_sweep)", False),
        ("not is_late or is_late", True),
        ("not (is_late or has_sweep)", False),
    ],
)
def test_what_a_filter_means(text, matches):
    """The table of operators in the documents, case by case."""
    assert compile_filter(text, FIELDS).matches(MESSAGE) is matches


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("premium >= 0", {"premium": True}),
        ("premium == 1", {"premium": True}),
        ("premium in [1]", {"premium": True}),
        ("premium >= 0", {"premium": "1"}),
        ("premium != 0", {"premium": None}),
        ("volume <= premium", {"premium": 1, "volume": False}),
        ('side != "ask"', {"side": 1}),
        ('side contains "a"', {"side": ["a"]}),
        ("has_sweep", {"has_sweep": 1}),
        ("has_sweep == true", {"has_sweep": 1}),
        ("has_sweep != false", {"has_sweep": "true"}),
        ('occurred_at > "2000-01-01"', {"occurred_at": "2026-04-27T14:31:02"}),
        ('occurred_at > "2000-01-01"', {"occurred_at": "2026-04-27"}),
        ('occurred_at > "2000-01-01"', {"occurred_at": 1_777_300_262}),
        ('occurred_at != "2000-01-01"', {"occurred_at": "soon"}),
        ('expiry > "2000-01-01"', {"expiry": "2026-04-27T14:31:02Z"}),
        ('tags contains "a"', {"tags": "abc"}),
        ('tags contains "1"', {"tags": [1]}),
        ("payload contains 1", {"payload": [True, "1"]}),
        ("payload contains true", {"payload": [1]}),
        ('payload contains "1"', {"payload": [1]}),
        ("signal.a == 1", {"signal": [1]}),
        ("signal.a == 1", {"signal.a": 1}),
    ],
)
def test_what_is_of_another_type_than_the_contract_says_fits_nothing(text, data):
    """True is not 1, a text is no list, a time without a zone is no time: the comparison is false."""
    assert compile_filter(text, FIELDS).matches(data) is False
    assert compile_filter(f"not {text}", FIELDS).matches(data) is True


def test_a_filter_tells_its_text_and_its_fields():
    """The canonical text, and the paths it looks at."""
    one = compile_filter(
        "  volume>1 AND_IS_NO_FIELD"[:11] + " and(signal.a.b=='x'or not(tags contains'\"'))", FIELDS
    )

    assert one.text == 'volume > 1 and (signal.a.b == "x" or not tags contains "\\"")'
    assert one.fields == {"volume", "signal.a.b", "tags"}


def test_equal_texts_are_one_filter():
    """However it is spaced and quoted, and whichever mapping holds the same fields."""
    one = compile_filter("side=='ask'", FIELDS)

    assert compile_filter("side=='ask'", dict(FIELDS)) is one
    assert compile_filter('side  ==  "ask"', FIELDS) is one
    assert compile_filter('side == "ask"', {"side": FieldType.TEXT}) is one
    assert compile_filter('side == "ask"', {"side": FieldType.ANY}) is not one
    assert compile_filter('side == "bid"', FIELDS) is not one


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
def test_what_is_not_used_is_forgotten_and_what_is_used_stays_one():
    """Of thousands of texts few are kept, at once and not when a collector comes; one held is found again."""
    held = compile_filter("premium > -1", FIELDS)
    first = weakref.ref(compile_filter("premium > -2", FIELDS).matches)
    for number in range(3_000):
        compile_filter(f"premium > {number}", FIELDS)

    assert first() is None
    assert compile_filter("premium > -1", FIELDS) is held


def test_the_deepest_and_longest_filter_compiles():
    """The limits lie below what the interpreter takes."""
    deep = "(not " * (MAX_DEPTH // 2) + "has_sweep" + ")" * (MAX_DEPTH // 2)
    nested = "has_sweep"
    for level in range(MAX_DEPTH):
        nested = f"({nested} {'and' if level % 2 else 'or'} payload.a.b.c.d.e.f.g > 1)"

    assert compile_filter(deep, FIELDS).matches(MESSAGE) is True
    assert compile_filter(nested, FIELDS).matches(MESSAGE) is False
    assert compile_filter(" or ".join(["has_sweep"] * MAX_TERMS), FIELDS).matches(MESSAGE) is True
    assert (
        compile_filter(f"premium in [{', '.join(map(str, range(MAX_LIST)))}]", FIELDS).matches(MESSAGE)
        is False
    )
