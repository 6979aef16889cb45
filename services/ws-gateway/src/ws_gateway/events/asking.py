"""What a request for events asks for, read from its query and headers as a native request. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from ws_gateway.errors import Refusal
from ws_gateway.events.dialect import SEPARATOR
from ws_gateway.native.requests import Subscribe, Wrong, read

MAX_ID_LENGTH: Final = 8_192
_FLAGS: Final = {"true": True, "false": False}
_BAD_ID: Final = "Last-Event-ID is no id that the gateway gave"


def asked(query: Iterable[tuple[str, str]], last_event_id: str | None) -> Subscribe | Wrong:
    """Return what is asked for, or what is wrong with it: in the words of the native protocol.

    Args:
        query: names and values; unknown names mean nothing.
        last_event_id: the header of that name, which counts before the parameter: a client that comes back
            asks under the same address again.
    """
    request: dict[str, Any] = {"op": "subscribe"}
    topics: list[str] = []
    given = last_event_id or None
    for name, value in query:
        match name:
            case "topics":
                topics += (topic for topic in value.split(",") if topic)
            case "snapshot":
                request["snapshot"] = _FLAGS.get(value, value)
            case "filter":
                request["filter"] = value
            case "last_event_id":
                given = given or value or None
    request["topics"] = topics
    if given is not None:
        if len(given) > MAX_ID_LENGTH:
            return Wrong(Refusal.BAD_POSITION, _BAD_ID)
        request["since"] = given.split(SEPARATOR)
    found = read(orjson.dumps(request).decode())
    if isinstance(found, Wrong):
        return Wrong(Refusal.BAD_POSITION, _BAD_ID) if _is_about_since(found) else found
    assert isinstance(found, Subscribe)  # noqa: S101 - nothing else was asked
    return found


def _is_about_since(wrong: Wrong) -> bool:
    return wrong.refusal is Refusal.BAD_POSITION or wrong.message.startswith("since ")
