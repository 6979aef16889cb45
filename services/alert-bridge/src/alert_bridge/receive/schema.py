"""What `POST /alerts` takes, as a JSON Schema made from the contract. Pure."""

from __future__ import annotations

from typing import Any

from baleen_contracts.alert import Alert

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT = (
    "One alert. Empty and null fields count as absent, other fields are kept as labels. `source` may be left "
    "out where a token tells it, `alert_type` where the source has a usual one."
)
_FIELDS = {
    "alert_type": "What kind of alert it is; routes and filters go by it.",
    "source": "Who says it: the name of the source whose token is shown, or any name where none is needed.",
    "id": "Its own id: a second alert of one source and id is the first one again. Else Idempotency-Key.",
    "severity": "How much it matters: debug, info, warning, error or critical; other words are carried too.",
    "title": "One line.",
    "content": "Its text.",
    "embed": "A Discord embed, kept verbatim.",
    "more_embeds": "Further embeds.",
    "url": "Where to look.",
    "labels": "Whatever else is to be known of it; texts.",
    "occurred_at": "When it happened, with a zone; when it was received if not said.",
}


def alert_schema() -> dict[str, Any]:
    """The schema of a request's object."""
    own = Alert.model_json_schema(mode="validation")
    properties = {name: _described(name, own["properties"][name]) for name in _names(own)}
    return {
        "$schema": _DIALECT,
        "title": "Alert",
        "description": _ABOUT,
        "type": "object",
        "properties": properties,
        "additionalProperties": True,
        "$defs": own.get("$defs", {}),
    }


def _names(own: dict[str, Any]) -> list[str]:
    return [name for name in own["properties"] if name != "received_at"]


def _described(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """A field as senders may spell it: null and the empty text count as absent, a number is an id too."""
    said = {key: value for key, value in field.items() if key not in ("title", "default")}
    kinds = said.pop("anyOf", None) or [said.copy()]
    if not any(kind.get("type") == "null" for kind in kinds):
        kinds = [*kinds, {"type": "null"}]
    if name == "id":
        kinds = [*kinds, {"type": "integer"}]
    kinds = [*kinds, {"const": ""}]
    about = _FIELDS.get(name) or said.get("description")
    return {**({"description": about} if about else {}), "anyOf": kinds}
