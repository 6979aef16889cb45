"""A webhook's stored messages: read, edited and deleted by whoever posted them.

An edit and a deletion are alerts of their own; their ids count up from the message's, so that the newest is
found without a list of them, on every replica, and two at once cannot take the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from alert_bridge.carried import Carried
from alert_bridge.changes import DELETES, EDITS, MEANT, deletes
from alert_bridge.changes import LABELS as CHANGES
from alert_bridge.errors import BusAway, Outcome, UnknownMessage
from alert_bridge.receive import discord_answers, shape
from alert_bridge.receive.answer import Answer
from alert_bridge.receive.desk import Archive, Desk, Kept, Taken
from alert_bridge.receive.discord import Attachment, Post, read_post
from alert_bridge.receive.mint import snowflake_of
from alert_bridge.receive.post_body import read_payload
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.signature import refuse_unsigned
from alert_bridge.receive.source import Source
from baleen_bus import BusError
from baleen_contracts.alert import Alert
from baleen_contracts.message import digest

MOST_EDITS = 1_000_000

_PLACES = 10
"""So often a place is looked for that nobody else has taken at the same time."""


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as it is now: its alert, and that of its newest edit.

    Attributes:
        number: the id it is known by.
        first: what was posted.
        newest: what it became; the same where nobody edited it.
        edits: how often it was.
    """

    number: str
    first: Carried
    newest: Carried
    edits: int


def message_id_of(alert: BridgedAlert) -> str:
    """The id under which a sender knows its alert as a message."""
    return alert.id or "" if alert.minted else snowflake_of(alert.identity)


async def show_message(desk: Desk, request: Request, source: Source) -> Taken:
    """A stored message as it is now."""
    found = await _found(desk, request, source)
    return Outcome.READ, _shown(desk, source, found, post_of(found.newest.alert))


async def edit_message(desk: Desk, request: Request, source: Source) -> Taken:
    """Store an edit of a message as an alert: what it does not name stays as it was."""
    payload, files = await read_payload(desk, request, source)
    found = await _found(desk, request, source)
    post = edited(post_of(found.newest.alert), payload, files)
    kept = await _follow_up(desk, source, found, EDITS, post)
    return kept.outcome, _shown(desk, source, found, post, edited_now=True)


async def delete_message(desk: Desk, request: Request, source: Source) -> Taken:
    """Store as an alert that a message is deleted; what was said stays in the stream."""
    refuse_unsigned(source, request.headers, b"", desk.clock.now())
    found = await _found(desk, request, source)
    kept = await _follow_up(desk, source, found, DELETES, None)
    return kept.outcome, discord_answers.empty_answer(desk.clock.now())


def edited(was: Post, payload: dict[str, Any], files: tuple[Attachment, ...]) -> Post:
    """*was* with what *payload* names in its place; null takes a thing away.

    Raises:
        Empty: nothing is left of it.
        Invalid: a field is of a wrong kind, or nested too deep.
    """
    said: dict[str, Any] = {**was.rest, "content": was.content, "embeds": list(was.embeds), **payload}
    return read_post(said, (*was.attachments, *files))


def post_of(alert: Alert) -> Post:
    """The message that *alert* was made of."""
    rest = {
        name.removeprefix("discord."): _unlabelled(text)
        for name, text in alert.labels.items()
        if name.startswith("discord.") and name not in CHANGES
    }
    embeds = tuple(embed for embed in (alert.embed, *alert.more_embeds) if embed is not None)
    files = tuple(_file(one) for one in _list(rest.pop("attachments", None)) if isinstance(one, dict))
    return Post(content=alert.content, embeds=embeds, rest=rest, attachments=files)


async def _found(desk: Desk, request: Request, source: Source) -> _Message:
    """The message that the path names.

    Raises:
        UnknownMessage: there is none of this source, or it is deleted.
        BusAway: what is stored cannot be looked at now.
    """
    number = request.path_params["message_id"]
    archive = desk.archive
    if archive is None:
        raise BusAway("stored messages cannot be looked at")
    try:
        await archive.settle()
        if not archive.ready:
            raise BusAway("stored messages cannot be looked at yet")
        found = await _read(archive, number, source)
    except BusError:
        raise BusAway("stored messages cannot be looked at now") from None
    if found is None or found.first.alert.source != source.name or deletes(found.newest.alert):
        raise UnknownMessage("this webhook has no such message")
    return found


async def _read(archive: Archive, number: str, source: Source) -> _Message | None:
    seq = archive.seq_of_snowflake(number, source.name)
    first = await archive.read(seq) if seq is not None else None
    if first is None:
        return None
    edits = _newest_edit(archive, number, source)
    edited_by = _edit_seq(archive, number, source, edits) if edits else None
    newest = await archive.read(edited_by) if edited_by is not None else first
    return _Message(number, first, newest, edits) if newest is not None else None


def _newest_edit(archive: Archive, number: str, source: Source) -> int:
    """How many edits there are: they count up without a hole, so that halving finds the last."""
    least, most = 0, 1
    while most < MOST_EDITS and _edit_seq(archive, number, source, most) is not None:
        least, most = most, most * 2
    while most - least > 1:
        middle = (least + most) // 2
        if _edit_seq(archive, number, source, middle) is None:
            most = middle
        else:
            least = middle
    return least


def _edit_seq(archive: Archive, number: str, source: Source, place: int) -> int | None:
    return archive.seq_of_snowflake(snowflake_of(digest(source.name, _edit_id(number, place))), source.name)


def _edit_id(number: str, place: int) -> str:
    return f"edit:{number}:{place}"


async def _follow_up(desk: Desk, source: Source, found: _Message, label: str, post: Post | None) -> Kept:
    """Store what became of a message, in the next place that nobody has taken.

    Raises:
        BusAway: it could not be stored in time, or others take every place.
    """
    said = {label: found.number, MEANT: str(found.first.seq)}
    for place in range(found.edits + 1, found.edits + 1 + _PLACES):
        alert = shape.alert_from_post(
            post or Post(None, (), {}),
            key=_edit_id(found.number, place),
            sender=source,
            fresh_id="",
            now=desk.clock.now(),
            more_labels=said,
        )
        if post is None:
            alert = alert.model_copy(update={"title": found.first.alert.title})
        kept = await desk.keep(alert)
        if not kept.duplicate:
            return kept
    raise BusAway("this message is edited by others at the same time")


def _shown(desk: Desk, source: Source, found: _Message, post: Post, *, edited_now: bool = False) -> Answer:
    now = desk.clock.now()
    edited_at = now if edited_now else found.newest.stored_at if found.edits else None
    return discord_answers.message_answer(
        post,
        message_id=found.number,
        webhook_id=source.id,
        name=source.name,
        sent_at=found.first.alert.received_at,
        edited_at=edited_at,
        now=now,
    )


def _file(said: dict[str, Any]) -> Attachment:
    kind, size = said.get("content_type"), said.get("size")
    return Attachment(
        str(said.get("filename") or "file"),
        kind if isinstance(kind, str) else None,
        size if isinstance(size, int) else 0,
    )


def _unlabelled(text: str) -> Any:
    """What a label was made of: JSON where it reads as an object, a list or a word of JSON."""
    if text[:1] not in "[{tfn":
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
