"""The compatibility gate: what may change inside a major version, and what may not. Pure.

Forward: a reader built for a released schema reads what is written today. Backward: a reader built today
reads what a stream still holds from a release. The judge is ``jsoncompat`` as a serializer; backward, the
released schema is closed first (``additionalProperties: false``), since an open object could have held
anything under a new field's name.
"""

import json
from enum import StrEnum
from typing import Any, Final

Schema = dict[str, Any]

_ANNOTATIONS: Final = frozenset({"description", "title", "examples", "x-known-values", "$schema"})


class Break(StrEnum):
    """How a change breaks somebody."""

    GONE = "the entity is gone"
    FORWARD = "readers of the released schema cannot read what is written now"
    BACKWARD = "what was written under the released schema cannot be read now"


def judge(released: Schema, current: Schema | None) -> list[Break]:
    """How the current schema breaks its released self, if at all. None stands for a deleted entity."""
    if current is None:
        return [Break.GONE]
    found = []
    if not _writes_within(_bare(released), _bare(current)):
        found.append(Break.FORWARD)
    if not _writes_within(_bare(current), _closed(_bare(released))):
        found.append(Break.BACKWARD)
    return found


def _writes_within(reader: Schema, writer: Schema) -> bool:
    # Imported here, since only the gate needs it: services run without it.
    from jsoncompat import check_compat  # noqa: PLC0415

    return bool(check_compat(json.dumps(reader), json.dumps(writer), "serializer"))


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _bare(field) for name, field in value.items()} if key == "properties" else _bare(value)
        for key, value in schema.items()
        if key not in _ANNOTATIONS
    }


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: {name: _closed(field) for name, field in value.items()}
        if key == "properties"
        else _closed(value)
        for key, value in schema.items()
    }
    if "properties" in closed and closed.get("additionalProperties", True) is True:
        closed["additionalProperties"] = False
    return closed
