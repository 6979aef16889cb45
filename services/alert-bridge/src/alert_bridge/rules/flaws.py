"""From what pydantic finds wrong with a part of a rules file to sentences for whoever wrote it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from alert_bridge.rules.document import Document, Flaw, Place
from alert_bridge.rules.values import meant

_A_TIME: Final = "expected a time with its zone, such as 2026-12-01T00:00:00Z"
_SENTENCES: Final = {
    "missing": "is needed",
    "model_type": "expected an object: keys with values",
    "model_attributes_type": "expected an object: keys with values",
    "dict_type": "expected an object: keys with values",
    "string_type": "expected a text",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "timezone_aware": _A_TIME,
    "datetime_type": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_from_date_parsing": _A_TIME,
}


def flaws_of(
    error: ValidationError, model: type[BaseModel], place: Place, document: Document
) -> Iterator[Flaw]:
    """What is wrong with the part of the file at *place*, read as *model*; never with a value in it."""
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        inner = tuple(detail["loc"])
        where = (*place, *inner)
        if detail["type"] == "extra_forbidden":
            sentence = "is not known here" + meant(str(inner[-1]), keys_of(_model_at(model, inner[:-1])))
        else:
            sentence = _SENTENCES.get(detail["type"]) or _plain(detail["msg"])
        yield Flaw(where, document.line_of(where), sentence)


def _plain(message: str) -> str:
    """Pydantic's sentence in the manner of ours."""
    text = message.removeprefix("Value error, ")
    return text.replace("Input should be ", "expected ", 1) if text.startswith("Input should be ") else text


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a part may have, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """The model of the part at *place* within one of *model*."""
    for part in place:
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                model = _model_in(field.annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None
