"""What a compiled filter answers, against a slow reading of the same tree, both over generated ones."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from baleen_filters import FieldType
from baleen_filters.code import function_of
from baleen_filters.parser import parsed
from baleen_filters.tree import (
    Among,
    Both,
    Compare,
    Contains,
    Either,
    Holds,
    IsNull,
    Name,
    Not,
    Tree,
    Value,
    written,
)

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
FREE = ["payload", "payload.a", "signal.a", "signal.a.is", "signal.and"]
ORDERS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 1.0])
)
texts = (
    st.text(max_size=6).filter(str.isprintable)
    | st.sampled_from(["ask", "bid", 'a"b', "a'b", "\\", "and"])
)  # fmt: skip
times = st.sampled_from([
    "2026-04-27T14:31:02Z", "2026-04-27T14:31:02.500000Z", "2026-04-27T16:31:02.5+02:00", "2026-04-27",
    "2026-04-27T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-04-27T14:31:02.001Z",
])  # fmt: skip
dates = st.sampled_from(["2026-04-27", "2026-05-16", "0001-01-01", "9999-12-31"])
CONSTANTS = {
    FieldType.NUMBER: numbers,
    FieldType.TEXT: texts,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.TIME: times,
    FieldType.DATE: dates,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=3), deeper, max_size=3),
    max_leaves=6,
)
any_values = (
    json_values | numbers | texts | times | dates | st.booleans() | st.lists(texts | numbers | st.booleans())
)
objects = st.dictionaries(st.sampled_from(["a", "is", "and"]), any_values, max_size=2)
messages = st.fixed_dictionaries(
    {},
    optional={
        name: any_values | CONSTANTS.get(kind, any_values) | objects.map(lambda inner: {"a": inner} | inner)
        for name, kind in FIELDS.items()
    },
)


def _name(path: str) -> Name:
    return Name(tuple(path.split(".")))


def _of_type(kind: FieldType) -> st.SearchStrategy[Name]:
    return st.sampled_from([_name(name) for name, its in FIELDS.items() if its is kind])


free_names = st.sampled_from([_name(path) for path in FREE])


def _compared(kind: FieldType) -> st.SearchStrategy[Tree]:
    """Any comparison as of *kind*; beside free data, times and dates are but texts."""
    names, constants = _of_type(kind), CONSTANTS[kind].map(Value)
    free = texts.map(Value) if kind in {FieldType.TIME, FieldType.DATE} else constants
    order = st.sampled_from(["==", "!="] if kind is FieldType.BOOLEAN else list(ORDERS))
    return st.one_of(
        st.builds(Compare, names, order, constants | names | free_names),
        st.builds(Compare, free_names, order, names | free),
        st.builds(Among, names, st.lists(constants, min_size=1, max_size=3).map(tuple)),
        st.builds(Among, free_names, st.lists(free, min_size=1, max_size=3).map(tuple)),
    )


tests_of_fields: st.SearchStrategy[Tree] = st.one_of(
    *map(_compared, CONSTANTS),
    st.builds(Contains, _of_type(FieldType.TEXT) | _of_type(FieldType.TEXTS) | free_names, texts.map(Value)),
    st.builds(Contains, free_names, (numbers | st.booleans()).map(Value)),
    st.builds(IsNull, st.sampled_from([_name(name) for name in [*FIELDS, *FREE]]), st.booleans()),
    st.builds(Holds, _of_type(FieldType.BOOLEAN) | free_names),
)
trees: st.SearchStrategy[Tree] = st.recursive(
    tests_of_fields,
    lambda deeper: (
        st.builds(Not, deeper)
        | st.builds(Both, st.lists(deeper, min_size=2, max_size=3).map(tuple))
        | st.builds(Either, st.lists(deeper, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def reference(tree: Tree, data: Mapping[str, Any]) -> bool:
    """The same answer, told slowly."""
    match tree:
        case Not(operand):
            return not reference(operand, data)
        case Both(operands):
            return False not in [reference(one, data) for one in operands]
        case Either(operands):
            return True in [reference(one, data) for one in operands]
        case Among(name, values):
            return True in [reference(Compare(name, "==", value), data) for value in values]
        case test:
            return _passes(test, _found(test.name, data), data)


def _passes(test: Tree, found: Any, data: Mapping[str, Any]) -> bool:
    match test:
        case IsNull(_, negated):
            return (found is None) is not negated
        case Holds():
            return found is True
        case Contains(name, item):
            return _contains(found, FIELDS.get(name.path[0]), item.value)
        case Compare(name, order, other):
            kind = _kind(name, other)
            right = _found(other, data) if isinstance(other, Name) else _constant(other.value, kind)
            left, right = _read(found, kind), _read(right, kind)
            return left is not None and right is not None and ORDERS[order](left, right)
    raise AssertionError(test)


def _found(name: Name, data: Any) -> Any:
    for part in name.path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _kind(name: Name, other: Value | Name) -> FieldType:
    """As what the two are compared: as what a contract says of one of them, else as the constant."""
    for one in (name, other):
        if isinstance(one, Name) and len(one.path) == 1 and one.path != ("payload",):
            return FIELDS[one.path[0]]
    assert isinstance(other, Value)
    return {bool: FieldType.BOOLEAN, str: FieldType.TEXT}.get(type(other.value), FieldType.NUMBER)


def _constant(value: Any, kind: FieldType) -> Any:
    return value + "T00:00:00Z" if kind is FieldType.TIME and len(value) == len("2026-04-27") else value


def _read(value: Any, kind: FieldType) -> Any:
    """The value as what it is compared as; None where it is of another type."""
    wanted = {FieldType.NUMBER: (int, float), FieldType.BOOLEAN: (bool,)}.get(kind, (str,))
    if type(value) not in wanted:
        return None
    if kind not in {FieldType.TIME, FieldType.DATE}:
        return value
    try:
        if kind is FieldType.DATE:
            return date.fromisoformat(value)
        time = datetime.fromisoformat(value)
        return None if time.tzinfo is None else time - datetime(1970, 1, 1, tzinfo=UTC)
    except ValueError:
        return None


def _contains(whole: Any, kind: FieldType | None, item: Any) -> bool:
    if isinstance(whole, str):
        return kind is not FieldType.TEXTS and isinstance(item, str) and item in whole
    if not isinstance(whole, list) or kind is FieldType.TEXT:
        return False
    alike = (int, float) if type(item) in {int, float} else (type(item),)
    return item in [one for one in whole if type(one) in alike]


@settings(max_examples=200)
@given(tree=trees, data=messages)
def test_a_filter_answers_as_a_slow_reading_of_its_tree_does(tree, data):
    """Whatever is asked, of whatever message."""
    answer = function_of(tree, FIELDS)(data)

    assert answer is reference(tree, data)


def test_the_slow_reading_finds_a_wrong_answer():
    """The reference itself tells true from false, and a wrong function from a right one."""
    tree = parsed("premium >= 100 and not has_sweep")

    assert reference(tree, {"premium": 100})
    assert not reference(tree, {"premium": 100, "has_sweep": True})
    assert not reference(tree, {"premium": "100"})


@settings(max_examples=200)
@given(tree=trees)
def test_a_tree_is_read_back_from_how_it_is_written(tree):
    """The canonical text means what was meant, to the type of every number."""
    assert bare(parsed(written(tree))) == bare(tree)


def bare(part: Any) -> Any:
    """A tree as tuples, without columns; unlike trees themselves, it tells 1 from 1.0 and true."""
    if isinstance(part, Name):
        return part.path
    if isinstance(part, Value):
        return repr(part.value)
    if isinstance(part, tuple):
        return tuple(map(bare, part))
    if is_dataclass(part):
        return (type(part).__name__, *(bare(getattr(part, its.name)) for its in fields(part)))
    return part
