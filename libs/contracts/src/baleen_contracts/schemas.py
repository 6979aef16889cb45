"""JSON Schemas (2020-12) of what travels, made from the models. Pure.

They describe the bytes on the wire, where an absent field is left out and never null, so the models' "or
None" is folded into "not required".
"""

from typing import Any, Final

from pydantic import BaseModel

from baleen_contracts.catalogue import CATALOGUE
from baleen_contracts.command import CommandReply
from baleen_contracts.session_data import SESSION_DATA
from baleen_contracts.session_entry import SessionEntry

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAJOR: Final = "v1"
_ANYTHING: Final = {"$ref": "#/$defs/JsonValue"}


def schemas() -> dict[str, Schema]:
    """Every schema by name: entities, what is no entity of its own but travels too."""
    models: dict[str, type[BaseModel]] = {entity.name: entity.model for entity in CATALOGUE}
    models |= {model.entity: model for model in (CommandReply, SessionEntry)}
    models |= {f"session_event.{event}": data for event, data in SESSION_DATA.items()}
    return {name: {"$schema": DIALECT, **wire_schema(model)} for name, model in models.items()}


def wire_schema(model: type[BaseModel]) -> Schema:
    """The schema of one model's bytes, whole in itself: no reference leads out or within.

    Raises:
        ValueError: the model nests another one, which this does not know how to fold.
    """
    schema = model.model_json_schema(mode="serialization")
    if schema.pop("$defs", {}).keys() - {"JsonValue"}:
        raise ValueError(f"{model.__name__} nests models; its schema would hold references")
    title = schema.pop("title")
    folded: Schema = _fold(schema)
    return {"title": title, **folded}


def _fold(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_fold(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") == _ANYTHING["$ref"]:
        return {}
    folded = {key: _fold_keyword(key, value) for key, value in schema.items() if key != "title"}
    return _without_null(folded)


def _fold_keyword(key: str, value: Any) -> Any:
    if key == "properties":  # its keys are field names, "title" among them
        return {name: _fold(field) for name, field in value.items()}
    return value if key in ("default", "enum", "const", "required", "x-known-values") else _fold(value)


def _without_null(schema: Schema) -> Schema:
    choices = schema.get("anyOf")
    if choices is None or {"type": "null"} not in choices:
        return schema
    rest = [choice for choice in choices if choice != {"type": "null"}]
    outer = {
        key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)
    }
    return {**rest[0], **outer} if len(rest) == 1 else {"anyOf": rest, **outer}
