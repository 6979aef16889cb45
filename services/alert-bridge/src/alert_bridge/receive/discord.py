"""What Discord's webhook clients say. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from alert_bridge.errors import Empty, Invalid, Problem, Unreadable
from alert_bridge.receive.depth import refuse_deep

MAX_EMBEDS = 10
_SAYS = ("content", "embeds", "components", "poll", "sticker_ids")


@dataclass(frozen=True)
class Attachment:
    """A file that came along; its bytes are not kept."""

    filename: str
    content_type: str | None
    size: int


@dataclass(frozen=True)
class Post:
    """A message as it was posted.

    Attributes:
        content: its text; None without one.
        embeds: its embeds, untouched.
        rest: everything else that was said, nulls left out.
        attachments: what came along.
    """

    content: str | None
    embeds: tuple[dict[str, Any], ...]
    rest: Mapping[str, Any]
    attachments: tuple[Attachment, ...] = ()


def wants_message(wait: str | None) -> bool:
    """Whether the query parameter *wait* asks for the message object back."""
    return wait is not None and wait.strip().lower() in {"true", "1"}


def read_json(body: bytes) -> dict[str, Any]:
    """The object in *body*.

    Raises:
        Unreadable: it is no JSON.
        Invalid: it is JSON, but no object.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("The request body contains invalid JSON.") from None
    if not isinstance(payload, dict):
        raise Invalid([Problem("", "Only dictionaries may be used in a DictType")])
    return payload


def read_post(payload: Mapping[str, Any], attachments: tuple[Attachment, ...] = ()) -> Post:
    """The message in *payload*: nulls count as absent, unknown keys are kept, lengths are not judged.

    Raises:
        Empty: it says nothing.
        Invalid: ``content`` or ``embeds`` is of a wrong kind, or a field is nested too deep.
    """
    refuse_deep(payload)
    said = {key: value for key, value in payload.items() if value is not None}
    content = _text(said.pop("content", None))
    embeds = _embeds(said.pop("embeds", None))
    says_more = any(said.get(key) for key in _SAYS)
    if not (content and content.strip()) and not embeds and not attachments and not says_more:
        raise Empty("Cannot send an empty message")
    return Post(content=content, embeds=embeds, rest=said, attachments=attachments)


def _text(content: Any) -> str | None:
    if isinstance(content, dict | list):
        raise Invalid([Problem("content", "Could not interpret it as string.")])
    return None if content is None else content if isinstance(content, str) else json.dumps(content)


def _embeds(embeds: Any) -> tuple[dict[str, Any], ...]:
    if embeds is None:
        return ()
    if isinstance(embeds, dict):
        embeds = [embeds]
    if not isinstance(embeds, list):
        raise Invalid([Problem("embeds", "Only iterables may be used in a ListType")])
    if len(embeds) > MAX_EMBEDS:
        raise Invalid([Problem("embeds", f"Must be {MAX_EMBEDS} or fewer in length.")])
    for place, embed in enumerate(embeds):
        if embed is not None and not isinstance(embed, dict):
            raise Invalid([Problem(f"embeds.{place}", "Only dictionaries may be used in a DictType")])
    return tuple(embed for embed in embeds if embed)
