"""Makes a checked tree into one Python function. Pure.

The function's source holds no character of the client's text: fields and constants are objects it reaches
by names of ours (`k0`, `k1`, …). So nothing can be smuggled in, and filters of one shape share their code.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from baleen_filters.fields import FieldType
from baleen_filters.meaning import (
    comparable,
    compared_as,
    constant,
    containing,
    holdable,
    ordered,
    type_of,
)
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
    Test,
    Tree,
    Value,
)

Matches = Callable[[Mapping[str, Any]], bool]

_SHAPES: Final = 512
"""So many compiled shapes are remembered."""

_LONGEST_TIME: Final = 40
"""Characters; no time is written longer."""

_NUMBERS: Final = (int, float)

_IS_OF_TYPE: Final = {
    FieldType.NUMBER: "(type({v} := {got}) is float or type({v}) is int)",
    FieldType.TEXT: "type({v} := {got}) is str",
    FieldType.BOOLEAN: "type({v} := {got}) is bool",
    FieldType.TIME: "({v} := instant({got})) is not None",
    FieldType.DATE: "({v} := day({got})) is not None",
}
"""Tests that take what was *got* into the variable *v* and tell whether it is of the type: true is no 1."""


def function_of(tree: Tree, fields: Mapping[str, FieldType]) -> Matches:
    """The function that tells whether a message matches *tree*.

    Raises:
        FilterFlawed: a field is unknown, or compared with something of another type.
    """
    writer = _Writer(fields)
    body = writer.tree(tree)
    names = {"plain": plain, "instant": instant, "day": day, "has": has, **writer.known}
    exec(_code(body), names)  # noqa: S102 - the source is ours alone, see above
    matches: Matches = names.pop("matches")  # or the function and its globals would hold each other
    return matches


@lru_cache(maxsize=_SHAPES)
def _code(body: str) -> CodeType:
    source = (
        f"def matches(data):\n    if type(data) is not dict:\n        data = plain(data)\n    return {body}\n"
    )
    return compile(source, "<filter>", "exec")


class _Writer:
    """Writes expressions, and keeps the objects that they name."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self._fields = fields
        self.known: dict[str, Any] = {}

    def tree(self, tree: Tree) -> str:
        match tree:
            case Not(operand):
                return f"not {self.tree(operand)}"
            case Both(operands):
                return f"({' and '.join(map(self.tree, operands))})"
            case Either(operands):
                return f"({' or '.join(map(self.tree, operands))})"
            case test:
                return f"({self._test(test)})"

    def _test(self, test: Test) -> str:
        kind = type_of(test.name, self._fields)
        got = self._get(test.name)
        match test:
            case IsNull(_, negated):
                return f"{got} is {'not ' if negated else ''}None"
            case Holds(name):
                holdable(name, kind)
                return f"{got} is True"
            case Compare():
                return self._compare(test, kind, got)
            case Among(name, values):
                kind = comparable(name, kind, values)
                wanted = self._keep(frozenset(constant(value, kind) for value in values))
                return f"{_typed(kind, 'v', got)} and v in {wanted}"
            case Contains():
                return self._contains(test, kind, got)

    def _contains(self, test: Contains, kind: FieldType, got: str) -> str:
        kind = containing(test.name, kind, test.item)
        wanted = self._keep(test.item.value)
        if kind is FieldType.TEXT:
            return f"type(v := {got}) is str and {wanted} in v"
        if kind is FieldType.TEXTS:
            return f"type(v := {got}) is list and has(v, {wanted})"
        return f"has({got}, {wanted})"

    def _compare(self, test: Compare, kind: FieldType, got: str) -> str:
        name, operator, other = test.name, test.operator, test.other
        if isinstance(other, Value):
            kind = comparable(name, kind, [other])
            also, than = "", self._keep(constant(other, kind))
        else:
            kind = compared_as(name, kind, other, type_of(other, self._fields))
            also, than = f" and {_typed(kind, 'w', self._get(other))}", "w"
        ordered(name, kind, operator)
        return f"{_typed(kind, 'v', got)}{also} and v {operator} {than}"

    def _get(self, name: Name) -> str:
        got = f"data.get({self._keep(name.path[0])})"
        for part in name.path[1:]:
            got = f"(o.get({self._keep(part)}) if type(o := {got}) is dict else None)"
        return got

    def _keep(self, known: Any) -> str:
        name = f"k{len(self.known)}"
        self.known[name] = known
        return name


def _typed(kind: FieldType, variable: str, got: str) -> str:
    return _IS_OF_TYPE[kind].format(v=variable, got=got)


def plain(data: Any) -> dict[str, Any]:
    """*data* as a dict; what is no mapping has no fields."""
    try:
        return dict(data) if isinstance(data, Mapping) else {}
    except Exception:  # noqa: BLE001 - a mapping that fails to be read has no fields either
        return {}


def instant(said: Any) -> datetime | None:
    """The time that ISO-8601 text with a zone stands for."""
    if type(said) is not str or len(said) > _LONGEST_TIME:
        return None
    try:
        time = datetime.fromisoformat(said)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def day(said: Any) -> date | None:
    """The date that ISO-8601 text stands for."""
    if type(said) is not str or len(said) > _LONGEST_TIME:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def has(whole: Any, item: str | float) -> bool:
    """Whether a text or a list contains *item*, which a list does only with the item's type."""
    if type(whole) is str:
        return type(item) is str and item in whole
    if type(whole) is not list:
        return False
    types = _NUMBERS if type(item) in _NUMBERS else (type(item),)
    for one in whole:  # noqa: SIM110 - a generator costs three times as much
        if type(one) in types and one == item:
            return True
    return False
