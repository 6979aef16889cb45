"""What Discord's webhook clients need to hear. Pure.

Clients compare ``Content-Type`` for equality, read the body of a 200 whatever they asked for, and sleep when
a success says that nothing remains of a rate limit; each oddity here is one that a client library needs.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from alert_bridge.errors import (
    BusAway,
    Empty,
    Encoded,
    Invalid,
    NotAllowed,
    Problem,
    Refused,
    TooLarge,
    TooMany,
    TooSlow,
    UnknownMessage,
    UnknownWebhook,
)
from alert_bridge.receive.answer import RETRY_AFTER, Answer
from alert_bridge.receive.discord import Attachment, Post

_VIA = {
    "Via": "1.1 alert-bridge"
}  # without it discord.py takes a refusal for a ban by the network in between
_NUMBERED = {
    UnknownWebhook: (404, "Unknown Webhook", 10015),
    UnknownMessage: (404, "Unknown Message", 10008),
    TooLarge: (413, "Request entity too large", 40005),
}
"""What Discord has a number and a sentence of its own for."""
_CODES = {Empty: (400, 50006), TooSlow: (408, 0), Encoded: (415, 0), NotAllowed: (401, 0)}


def message_answer(
    post: Post,
    *,
    message_id: str,
    webhook_id: str,
    name: str,
    sent_at: datetime,
    edited_at: datetime | None = None,
    now: datetime,
) -> Answer:
    """The message object of a stored message."""
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
        "channel_id": webhook_id,
        "webhook_id": webhook_id,
        "author": author,
        "attachments": [_attachment(file, place) for place, file in enumerate(post.attachments)],
        "embeds": [{"type": "rich", **_without_nulls(embed)} for embed in post.embeds],
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "pinned": False,
        "tts": bool(post.rest.get("tts")),
        "timestamp": sent_at.isoformat(),
        "edited_timestamp": edited_at.isoformat() if edited_at else None,
        "flags": 0,
        "components": [],
    }
    return Answer(200, message, _success_headers(now))


def empty_answer(now: datetime) -> Answer:
    """Done, and nothing to say."""
    return Answer(204, None, _success_headers(now))


def slack_answer(now: datetime) -> Answer:
    """What Slack itself answers."""
    return Answer(200, "ok", _success_headers(now))


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


def discord_refusal(error: Refused | BusAway | TooMany) -> Answer:
    """The answer to a request that is not accepted, with Discord's own numbers."""
    if isinstance(error, TooMany):
        return _limited(error)
    if isinstance(error, BusAway):  # 503, since many clients drop a message on 429 and retry on 5xx
        body = {"message": str(error), "code": 0, "retry_after": float(RETRY_AFTER)}
        return Answer(503, body, {**_VIA, "Retry-After": str(RETRY_AFTER)})
    if isinstance(error, Invalid):
        return Answer(
            400, {"message": "Invalid Form Body", "code": 50035, "errors": _nested(error.problems)}, _VIA
        )
    if type(error) in _NUMBERED:
        status, message, code = _NUMBERED[type(error)]
        return Answer(status, {"message": message, "code": code}, _VIA)
    status, code = _CODES.get(type(error), (400, 50109))
    return Answer(status, {"message": str(error), "code": code}, _VIA)


def failed_answer() -> Answer:
    """Something went wrong that nobody foresaw; what it was is in the log alone."""
    return Answer(500, {"message": "500: Internal Server Error", "code": 0}, _VIA)


def _limited(error: TooMany) -> Answer:
    """As Discord says it: the clients of a webhook wait and send the same message again."""
    seconds = max(0.001, math.ceil(error.retry_after * 1000) / 1000)
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
    headers = {
        **_VIA,
        "Retry-After": str(math.ceil(seconds)),
        "X-RateLimit-Limit": str(error.requests),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset-After": f"{seconds:.3f}",
        "X-RateLimit-Bucket": "alert-bridge",
        "X-RateLimit-Scope": "user",
    }
    return Answer(429, body, headers)


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
