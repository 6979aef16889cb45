"""From a request to the one alert contract, with nothing of the original lost. Pure.

An alert keeps the id that its sender gave it, and the sender is answered with that id. Only source and id
together name an alert, so the bus dedupes on both: two senders that count from one lose nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field, ValidationError

from alert_bridge.changes import LABELS as CHANGES
from alert_bridge.errors import Invalid, NotAllowed, Problem, Unreadable
from alert_bridge.receive.depth import is_surely_shallow, refuse_deep
from alert_bridge.receive.discord import Post
from alert_bridge.receive.source import Source
from alert_bridge.receive.values import as_text, fitted, mapped
from baleen_contracts.alert import Alert
from baleen_contracts.fields import travels
from baleen_contracts.message import digest

_IDEMPOTENCY_KEY = "Idempotency-Key"
_SAID = tuple(name for name in Alert.model_fields if name != "received_at")
_KEY = re.compile(r"[!-~]{1,200}")

_Embed = Annotated[
    dict[str, Any], AfterValidator(lambda value: value if is_surely_shallow(value) else travels(value))
]
"""Free data as the contract has it. It was read from JSON: nobody need ask whether each value is."""


class BridgedAlert(Alert):
    """An alert whose ``id`` is its sender's own, unique among the alerts of one source only.

    ``minted`` tells the ids that are ours from those that the sender gave; it does not travel.
    """

    embed: _Embed | None = None
    more_embeds: Annotated[tuple[_Embed, ...], Field(max_length=20)] = ()

    minted: bool = Field(default=False, exclude=True)

    @property
    def identity(self) -> str:
        """A digest of source and id, which cannot run into each other."""
        return digest(self.source, self.id)


def parsed(body: bytes) -> Any:
    """The JSON in *body*.

    Raises:
        Unreadable: it is something else.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the body is not JSON: {error.msg}, at character {error.pos}") from None


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in *body*.

    Raises:
        Unreadable: it is something else.
    """
    value = parsed(body)
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
        sender: who it comes from, where that was proven; what the alert does not say is as it has it.
        fresh_id: the id of an alert that brings none.
        now: when it was received, and when it occurred unless it says so itself.

    Raises:
        Invalid: a field is missing, wrong or nested too deep.
        NotAllowed: it claims to be from somebody else.
    """
    refuse_deep(said)
    given = {name: value for name, value in said.items() if value is not None and value != ""}
    fields = {name: given.pop(name) for name in _SAID if name in given}
    if sender is not None and fields.setdefault("source", sender.name) != sender.name:
        raise NotAllowed(f"source: this token is that of {sender.name!r}", known=True)
    fields = {**usual_of(sender), **fields, "labels": _with_rest(fields.get("labels", {}), given)}
    fields.setdefault("occurred_at", now)
    fields["received_at"] = now
    if type(fields.get("id")) is int:
        fields["id"] = str(fields["id"])
    if "id" not in fields:
        fields |= _named(key, fresh_id)
    return checked(fields)


def alert_from_post(
    post: Post,
    *,
    key: str | None,
    sender: Source,
    fresh_id: str,
    now: datetime,
    more_labels: Mapping[str, str] | None = None,
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
    found: dict[str, Any] = {"title": title if isinstance(title, str) and title else None}
    if sender.fields:
        found |= mapped({**rest, "content": post.content, "embeds": post.embeds}, sender)
    found, _ = fitted(found)
    named = {} if "id" in found else _named(key, fresh_id)
    labels = {f"discord.{name}": as_text(value) for name, value in rest.items()}
    return checked(
        {
            "alert_type": "discord",
            **usual_of(sender),
            "content": post.content or None,
            "occurred_at": now,
            **found,
            **named,
            "source": sender.name,
            "embed": post.embeds[0] if post.embeds else None,
            "more_embeds": post.embeds[1:],
            "labels": labels,
            "received_at": now,
        },
        more_labels,
    )


def usual_of(sender: Source | None) -> dict[str, Any]:
    """What the alerts of *sender* are unless they say so themselves."""
    if sender is None:
        return {}
    usual = {"alert_type": sender.alert_type, "severity": sender.severity, "symbol": sender.symbol}
    return {name: value for name, value in usual.items() if value is not None}


def checked(fields: Mapping[str, Any], more_labels: Mapping[str, str] | None = None) -> BridgedAlert:
    """The alert of *fields*, whose labels are the sender's, and of *more_labels*, which are ours.

    A sender's label that has the name of one of ours is kept under ``said.``.

    Raises:
        Invalid: a field is not what an alert has there; the problem names it and not its value.
    """
    labels = fields.get("labels")
    if isinstance(labels, dict) and (labels or more_labels):
        said = {f"said.{name}" if name in CHANGES else name: value for name, value in labels.items()}
        fields = {**fields, "labels": {**said, **(more_labels or {})}}
    try:
        return BridgedAlert.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid(
            [Problem(".".join(str(part) for part in detail["loc"]), detail["msg"]) for detail in details]
        ) from None


def key_as_id(key: str) -> str:
    """*key*, which has the rules of an id.

    Raises:
        Invalid: it is too long or holds more than printable ASCII.
    """
    if not _KEY.fullmatch(key):
        raise Invalid([Problem(_IDEMPOTENCY_KEY, "1 to 200 printable ASCII characters, no space")])
    return key


def _named(key: str | None, fresh_id: str) -> dict[str, Any]:
    return {"id": key_as_id(key)} if key else {"id": fresh_id, "minted": True}


def _with_rest(labels: Any, rest: Mapping[str, Any]) -> Any:
    """*labels* and the fields that no alert has; wrong labels stay as they are, for validation to name."""
    if not isinstance(labels, dict):
        return labels
    return {**{name: as_text(value) for name, value in rest.items()}, **labels}
