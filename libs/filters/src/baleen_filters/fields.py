"""Which fields a filter may name, and of which type they are, read from the models of messages. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel


class FieldType(StrEnum):
    """What stands in a field of the JSON, in the words that messages use."""

    NUMBER = "a number"
    TEXT = "a text"
    BOOLEAN = "true or false"
    TIME = "a time"
    DATE = "a date"
    TEXTS = "a list of texts"
    OBJECT = "an object"
    """Fields of any name and type may follow after a dot."""
    ANY = "free data"
    """Of no known type: what it is compared with decides; fields may follow after a dot."""
    MIXED = "of different types in the messages asked for"
    """Cannot be used."""


_TYPES: Final[tuple[tuple[type, FieldType], ...]] = (
    (bool, FieldType.BOOLEAN),  # before int, and datetime before date: the one is the other's subclass
    (int, FieldType.NUMBER),
    (float, FieldType.NUMBER),
    (str, FieldType.TEXT),
    (datetime, FieldType.TIME),
    (date, FieldType.DATE),
    (Mapping, FieldType.OBJECT),
    (BaseModel, FieldType.OBJECT),
)
_LISTS: Final = (Sequence, frozenset, set)


def fields_of(models: Iterable[type[BaseModel]]) -> dict[str, FieldType]:
    """The fields of these models, by name. One that is of different types in two of them is `MIXED`."""
    found: dict[str, FieldType] = {}
    for model in models:
        for name, field in model.model_fields.items():
            kind = _type_of(field.annotation)
            found[name] = kind if found.get(name, kind) is kind else FieldType.MIXED
    return found


def _type_of(annotation: Any) -> FieldType:
    """What stands in the JSON of a field so annotated; what is not known here is free data."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(parts[0])
    if origin in {Union, UnionType}:
        return _one({_type_of(part) for part in parts if part is not NoneType})
    if origin is Literal:
        return _one({_type_of(type(value)) for value in parts})
    return _plain(origin or annotation, parts)


def _plain(annotated: Any, parts: tuple[Any, ...]) -> FieldType:
    """The type of a class, such as `str` or the `tuple` of `tuple[str, ...]`."""
    if not isinstance(annotated, type):
        return FieldType.ANY
    for known, kind in _TYPES:
        if issubclass(annotated, known):
            return kind
    texts = {_type_of(part) for part in parts if part is not Ellipsis} == {FieldType.TEXT}
    return FieldType.TEXTS if texts and issubclass(annotated, _LISTS) else FieldType.ANY


def _one(kinds: set[FieldType]) -> FieldType:
    return kinds.pop() if len(kinds) == 1 else FieldType.ANY
