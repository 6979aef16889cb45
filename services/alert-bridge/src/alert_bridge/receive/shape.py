"""From a request to the one alert contract, with nothing of the original lost. Pure.

An alert keeps the id that its sender gave it, and the sender is answered with that id. Only source and id
together name an alert, so the bus dedupes on both: two senders that count from one lose nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError

from alert_bridge.errors import Invalid, NotAllowed, Problem, Unreadable
from alert_bridge.receive.depth import refuse_deep
from alert_bridge.receive.discord import Post
from alert_bridge.receive.sources import Source
from baleen_contracts.alert import Alert
from baleen_contracts.message import digest

_IDEMPOTENCY_KEY = "Idempotency-Key"
_MAX_TITLE = 1_000
_KEY = re.compile(r"[!-~]{1,200}")


class BridgedAlert(Alert):
    """An alert whose ``id`` is its sender's own, unique among the alerts of one source only."""

    @property
    def identity(self) -> str:
        """A digest of source and id, which cannot run into each other."""
        return digest(self.source, self.id)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in *body*.

    Raises:
        Unreadable: it is something else.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the body is not JSON: {error.msg}, at character {error.pos}") from None
    if not isinstance(value, dict):
        raise Unreadable("the body must be one JSON object")
    return value


def alert_from_json(
    said: Mapping[str, Any], *, key: str | None, sender: Source | None, fresh_id: str, now: datetime
) -> BridgedAlert:
    """The alert in a plain JSON request.

    Empty and null fields count as absent; fields the contract does not know are kept as labels.

    Args:
        said: the request's object.
        key: its ``Idempotency-Key``, which is its id when it has no ``id``.
        sender: who it comes from, where that was proven.
        fresh_id: the id of an alert that brings none.
        now: when it was received, and when it occurred unless it says so itself.

    Raises:
        Invalid: a field is missing, wrong or nested too deep.
        NotAllowed: it claims to be from somebody else.
    """
    refuse_deep(said)
    given = {name: value for name, value in said.items() if value is not None and value != ""}
    fields = {name: given.pop(name) for name in Alert.model_fields if name in given}
    if sender is not None and fields.setdefault("source", sender.name) != sender.name:
        raise NotAllowed(f"source: this token is that of {sender.name!r}", known=True)
    fields["labels"] = _with_rest(fields.get("labels", {}), given)
    fields.setdefault("occurred_at", now)
    fields["received_at"] = now
    if isinstance(fields.get("id"), int):
        fields["id"] = str(fields["id"])
    if "id" not in fields:
        fields["id"] = _id_of(key) if key else fresh_id
    return _alert(fields)


def alert_from_post(
    post: Post, *, key: str | None, sender: Source, fresh_id: str, now: datetime
) -> BridgedAlert:
    """The alert in a Discord message: its embeds verbatim, what else it said as labels under ``discord.``.

    Raises:
        Invalid: more text than an alert holds.
    """
    rest = dict(post.rest)
    if post.attachments:
        rest["attachments"] = [
            {"filename": file.filename, "content_type": file.content_type, "size": file.size}
            for file in post.attachments
        ]
    title = post.embeds[0].get("title") if post.embeds else None
    return _alert(
        {
            "id": _id_of(key) if key else fresh_id,
            "alert_type": sender.alert_type,
            "source": sender.name,
            "title": title[:_MAX_TITLE] if isinstance(title, str) and title else None,
            "content": post.content or None,
            "embed": post.embeds[0] if post.embeds else None,
            "more_embeds": post.embeds[1:],
            "labels": {f"discord.{name}": _as_label(value) for name, value in rest.items()},
            "occurred_at": now,
            "received_at": now,
        }
    )


def _alert(fields: Mapping[str, Any]) -> BridgedAlert:
    try:
        return BridgedAlert.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid(
            [Problem(".".join(str(part) for part in detail["loc"]), detail["msg"]) for detail in details]
        ) from None


def _id_of(key: str) -> str:
    """*key*, which has the rules of an id.

    Raises:
        Invalid: it is too long or holds more than printable ASCII.
    """
    if not _KEY.fullmatch(key):
        raise Invalid([Problem(_IDEMPOTENCY_KEY, "1 to 200 printable ASCII characters, no space")])
    return key


def _with_rest(labels: Any, rest: Mapping[str, Any]) -> Any:
    """*labels* and the fields that no alert has; wrong labels stay as they are, for validation to name."""
    if not isinstance(labels, dict):
        return labels
    return {**{name: _as_label(value) for name, value in rest.items()}, **labels}


def _as_label(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
