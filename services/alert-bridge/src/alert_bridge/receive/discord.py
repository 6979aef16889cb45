"""What Discord's webhook clients say and need to hear. Pure.

Clients compare ``Content-Type`` for equality, read the body of a 200 whatever they asked for, and sleep when
a success says that nothing remains of a rate limit; each oddity here is one that a client library needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from alert_bridge.errors import (
    BusAway,
    Empty,
    Invalid,
    Problem,
    Refused,
    TooLarge,
    UnknownWebhook,
    Unreadable,
)
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


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: a body of None is an empty one."""

    status: int
    body: dict[str, Any] | None
    headers: dict[str, str] = field(default_factory=dict)


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


def stored_answer(
    post: Post, *, wait: bool, message_id: str, webhook_id: str, name: str, now: datetime
) -> Answer:
    """The answer to a message that the bus has: 204 and nothing, or 200 and the message object."""
    headers = _success_headers(now)
    if not wait:
        return Answer(204, None, headers)
    channel = webhook_id
    author = {
        "id": webhook_id,
        "username": _first_text(post.rest.get("username"), name),
        "avatar": None,
        "discriminator": "0000",
        "public_flags": 0,
        "flags": 0,
        "bot": True,
        "global_name": None,
    }
    message = {
        "id": message_id,
        "type": 0,
        "content": post.content or "",
        "channel_id": channel,
        "webhook_id": webhook_id,
        "author": author,
        "attachments": [_attachment(file, place) for place, file in enumerate(post.attachments)],
        "embeds": [{"type": "rich", **_without_nulls(embed)} for embed in post.embeds],
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "pinned": False,
        "tts": bool(post.rest.get("tts")),
        "timestamp": now.isoformat(),
        "edited_timestamp": None,
        "flags": 0,
        "components": [],
    }
    return Answer(200, message, headers)


def webhook_answer(*, webhook_id: str, token: str, name: str, now: datetime) -> Answer:
    """The webhook itself, as its owner may read it."""
    webhook = {
        "id": webhook_id,
        "type": 1,
        "name": name,
        "avatar": None,
        "channel_id": webhook_id,
        "guild_id": webhook_id,
        "application_id": None,
        "token": token,
    }
    return Answer(200, webhook, _success_headers(now))


def refused_answer(error: Refused) -> Answer:
    """The answer to a request that is not accepted, with Discord's own numbers."""
    if isinstance(error, UnknownWebhook):
        return Answer(404, {"message": "Unknown Webhook", "code": 10015}, _VIA)
    if isinstance(error, Empty):
        return Answer(400, {"message": str(error), "code": 50006}, _VIA)
    if isinstance(error, TooLarge):
        return Answer(413, {"message": "Request entity too large", "code": 40005}, _VIA)
    if isinstance(error, Invalid):
        return Answer(
            400, {"message": "Invalid Form Body", "code": 50035, "errors": _nested(error.problems)}, _VIA
        )
    return Answer(400, {"message": str(error), "code": 50109}, _VIA)


def away_answer(error: BusAway, retry_after: int) -> Answer:
    """Come back in *retry_after* seconds. 503, since many clients drop a message on 429 and retry on 5xx."""
    body = {"message": str(error), "code": 0, "retry_after": float(retry_after)}
    return Answer(503, body, {**_VIA, "Retry-After": str(retry_after)})


def failed_answer() -> Answer:
    """Something went wrong that nobody foresaw; what it was is in the log alone."""
    return Answer(500, {"message": "500: Internal Server Error", "code": 0}, _VIA)


_VIA = {
    "Via": "1.1 alert-bridge"
}  # without it discord.py takes a refusal for a ban by the network in between


def _success_headers(now: datetime) -> dict[str, str]:
    """Rate-limit headers that never say zero remain: discord.py would sleep."""
    return {
        **_VIA,
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset": f"{now.timestamp() + 1:.3f}",
        "X-RateLimit-Reset-After": "1.000",
        "X-RateLimit-Bucket": "alert-bridge",
    }


def _nested(problems: list[Problem]) -> dict[str, Any]:
    """Problems as Discord nests them: by the parts of the path, then ``_errors``."""
    tree: dict[str, Any] = {}
    for problem in problems:
        node = tree
        for part in filter(None, problem.field.split(".")):
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": "INVALID", "message": problem.message})
    return tree


def _attachment(file: Attachment, place: int) -> dict[str, Any]:
    url = f"attachment://{file.filename}"
    return {
        "id": str(place),
        "filename": file.filename,
        "size": file.size,
        "url": url,
        "proxy_url": url,
        "content_type": file.content_type,
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def _first_text(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) and value else otherwise
