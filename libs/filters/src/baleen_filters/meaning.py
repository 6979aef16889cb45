"""Of which type each field of a filter is, and whether what it is compared with fits. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from baleen_filters.errors import FilterFlawed, shown
from baleen_filters.fields import FieldType
from baleen_filters.tree import Name, Operator, Scalar, Value

Constant = str | int | float | bool | datetime | date

_EQUALITY: Final = frozenset({"==", "!="})
_SCALARS: Final = frozenset(
    {FieldType.NUMBER, FieldType.TEXT, FieldType.BOOLEAN, FieldType.TIME, FieldType.DATE}
)
_OPEN: Final = frozenset({FieldType.OBJECT, FieldType.ANY})
_LISTED: Final = 1_500
"""So many characters of known fields are listed in a message."""


def type_of(name: Name, fields: Mapping[str, FieldType]) -> FieldType:
    """The type of a field; what follows after an object's dot is free data.

    Raises:
        FilterFlawed: there is no such field, or it is of different types.
    """
    whole = ".".join(name.path)
    for length in range(len(name.path), 0, -1):
        kind = fields.get(".".join(name.path[:length]))
        if kind is FieldType.MIXED:
            raise FilterFlawed(name.column, f"{shown(whole)} is {kind}: ask for those one by one")
        if length == len(name.path) and kind is not None:
            return kind
        if kind in _OPEN:
            return FieldType.ANY
        if kind is not None:
            owner = ".".join(name.path[:length])
            raise FilterFlawed(name.column, f"{shown(owner)} is {kind} and has no fields of its own")
    raise FilterFlawed(name.column, f"unknown field {shown(whole)}; known: {_listed(whole, fields)}")


def constant(value: Value, kind: FieldType) -> Constant:
    """What *value* stands for beside a field of type *kind*: times and dates are written as texts.

    Raises:
        FilterFlawed: it is of another type.
    """
    if kind is FieldType.TIME:
        return _time(value)
    if kind is FieldType.DATE:
        return _date(value)
    if type_of_value(value) is not kind:
        raise FilterFlawed(value.column, f"expected {kind}, found {type_of_value(value)}")
    return value.value


def type_of_value(value: Value) -> FieldType:
    """The type of a constant, by itself."""
    if isinstance(value.value, bool):
        return FieldType.BOOLEAN
    return FieldType.TEXT if isinstance(value.value, str) else FieldType.NUMBER


def compared_as(name: Name, kind: FieldType, other: Name, other_kind: FieldType) -> FieldType:
    """As what two fields are compared, where the type of one tells that of the other.

    Raises:
        FilterFlawed: that cannot be.
    """
    told = {kind, other_kind} - {FieldType.ANY}
    if not told:
        raise FilterFlawed(other.column, "the type of neither is known: compare each with a value")
    if len(told) > 1:
        raise FilterFlawed(other.column, f"expected {kind}, found {other_kind}")
    decided = told.pop()
    if decided not in _SCALARS:
        raise FilterFlawed(name.column, _cannot(name, decided))
    return decided


def ordered(name: Name, kind: FieldType, operator: Operator) -> None:
    """Whether there is a less and a more.

    Raises:
        FilterFlawed: an operator asks for it, and there is none.
    """
    if kind is FieldType.BOOLEAN and operator not in _EQUALITY:
        raise FilterFlawed(name.column, f'{_called(name)} is {kind}: expected "==" or "!="')


def comparable(name: Name, kind: FieldType, values: Iterable[Value]) -> FieldType:
    """As what a field is compared with these constants; beside free data, they tell it themselves.

    Raises:
        FilterFlawed: it cannot be compared, or they are of several types.
    """
    if kind is not FieldType.ANY:
        if kind not in _SCALARS:
            raise FilterFlawed(name.column, _cannot(name, kind))
        return kind
    first, *others = values
    decided = type_of_value(first)
    for value in others:
        if type_of_value(value) is not decided:
            raise FilterFlawed(value.column, f"expected {decided} as before, found {type_of_value(value)}")
    return decided


def holdable(name: Name, kind: FieldType) -> FieldType:
    """The type of a field that may stand alone.

    Raises:
        FilterFlawed: it is neither true nor false.
    """
    if kind not in {FieldType.BOOLEAN, FieldType.ANY}:
        raise FilterFlawed(name.column, f"{_called(name)} is {kind}: expected a comparison with something")
    return kind


def containing(name: Name, kind: FieldType, item: Value) -> FieldType:
    """The type of a field that may contain *item*.

    Raises:
        FilterFlawed: it is neither text nor list, or what it would contain is no text.
    """
    if kind not in {FieldType.TEXT, FieldType.TEXTS, FieldType.ANY}:
        raise FilterFlawed(name.column, f"{_called(name)} is {kind}: only texts and lists contain something")
    if kind is not FieldType.ANY:
        constant(item, FieldType.TEXT)
    return kind


def _time(value: Value) -> datetime:
    try:
        return _in_utc(value.value)
    except (ValueError, OverflowError) as error:
        example = "such as 2026-04-27T14:31:02Z, or a date, from 0:00 UTC on"
        raise FilterFlawed(value.column, f"expected a time with a zone, {example}") from error


def _in_utc(said: Scalar) -> datetime:
    if not isinstance(said, str):
        raise ValueError("a time is written as text")  # noqa: TRY004 - one kind of error for one kind of flaw
    time = datetime.fromisoformat(said)
    if len(said) == len("2026-04-27"):
        return time.replace(tzinfo=UTC)
    if time.tzinfo is None:
        raise ValueError("a time needs a zone")
    return time.astimezone(UTC)


def _date(value: Value) -> date:
    if isinstance(value.value, str):
        try:
            return date.fromisoformat(value.value)
        except ValueError:
            pass
    raise FilterFlawed(value.column, "expected a date, such as 2026-05-16")


def _cannot(name: Name, kind: FieldType) -> str:
    able = {FieldType.TEXTS: '"contains" or "is null"', FieldType.OBJECT: 'one of its fields, or "is null"'}
    return f"{_called(name)} is {kind}: expected {able[kind]}"


def _called(name: Name) -> str:
    return shown(".".join(name.path))


def _listed(wrong: str, fields: Mapping[str, FieldType]) -> str:
    """The known fields, those spelt like *wrong* first, then by the alphabet."""
    usable = sorted(
        (name for name, kind in fields.items() if kind is not FieldType.MIXED),
        key=lambda name: (-_likeness(wrong, name), name),
    )
    said: list[str] = []
    length = 0
    for name in usable:
        length += len(name) + 2
        if length > _LISTED:
            return ", ".join(said) + f" and {len(usable) - len(said)} more"
        said.append(name)
    return ", ".join(said) or "none"


def _likeness(one: str, other: str) -> float:
    """How much two names share, 0 to 1: their pairs of letters. Cheap, since clients mistype at will."""
    pairs, others = _pairs(one), _pairs(other)
    shared = len(pairs & others) / max(len(pairs), len(others))
    return shared if shared >= 1 / 4 else 0


def _pairs(name: str) -> set[str]:
    framed = f" {name[:64].lower()} "
    return {framed[at : at + 2] for at in range(len(framed) - 1)}
