"""The fields of contract models, and that a filter may name each of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Optional

import pytest
from pydantic import BaseModel, Field, JsonValue

from baleen_contracts import CATALOGUE, Entity, by_name, example
from baleen_filters import FieldType, compile_filter, fields_of


class Colour(StrEnum):
    """Some values."""

    RED = "red"


class Inner(BaseModel):
    """A model within another."""

    a: int


class Sample(BaseModel):
    """One field of every kind."""

    number: Annotated[int, Field(ge=0)]
    real: float | None = None
    truth: Optional[bool]  # noqa: UP045 - both spellings of a union are read
    text: Annotated[str, Field(max_length=3)] | None
    choice: Literal["call", "put"]
    colour: Colour
    day: date
    time: datetime
    texts: tuple[Annotated[str, Field(max_length=3)], ...]
    more_texts: list[str] | None
    numbers: list[int]
    whole: dict[str, JsonValue]
    inner: Inner
    inners: list[Inner]
    free: JsonValue
    either: int | str
    mixture: Literal["a", 1]


def test_a_field_is_of_the_type_its_annotation_says():
    """Optional or not, constrained or not; what is several things is free data."""
    assert fields_of([Sample]) == {
        "number": FieldType.NUMBER,
        "real": FieldType.NUMBER,
        "truth": FieldType.BOOLEAN,
        "text": FieldType.TEXT,
        "choice": FieldType.TEXT,
        "colour": FieldType.TEXT,
        "day": FieldType.DATE,
        "time": FieldType.TIME,
        "texts": FieldType.TEXTS,
        "more_texts": FieldType.TEXTS,
        "numbers": FieldType.ANY,
        "whole": FieldType.OBJECT,
        "inner": FieldType.OBJECT,
        "inners": FieldType.ANY,
        "free": FieldType.ANY,
        "either": FieldType.ANY,
        "mixture": FieldType.ANY,
    }


class One(BaseModel):
    """Agrees with the other in one field only."""

    same: int
    different: int
    mine: str


class Other(BaseModel):
    """See `One`."""

    same: float
    different: str


def test_what_models_disagree_about_cannot_be_used():
    """A third model that agrees with one of them does not mend it."""
    fields = {"same": FieldType.NUMBER, "different": FieldType.MIXED, "mine": FieldType.TEXT}

    assert fields_of([One, Other]) == fields
    assert fields_of([One, Other, One]) == fields
    assert fields_of([Other, One, Other]) == fields


@pytest.mark.parametrize("entity", CATALOGUE, ids=lambda entity: entity.name)
def test_every_field_of_every_message_can_be_named(entity: Entity):
    """No contract has a field that is a word of the language, or of a type that is not known here."""
    fields = fields_of([entity.model])
    body = example(entity)

    for name in fields:
        assert compile_filter(f"{name} is not null", fields).matches(body) is (body.get(name) is not None)


def test_the_contracts_own_example():
    """The filter of the documents, over the message it is meant for."""
    fields = fields_of([by_name("option_trade").model])
    body = example(by_name("option_trade"))
    wanted = compile_filter('premium >= 100000 and side == "ask"', fields)

    assert not wanted.matches(body)
    assert wanted.matches({**body, "premium": 100_000.0, "side": "ask"})
