"""Messages as Discord keeps and tells them. Pure: the moment is an argument."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from discord_simulator.embeds import texts
from discord_simulator.webhooks import Webhook

_DISCORDS_EPOCH = 1_420_070_400.0
_IGNORED = ("provider", "video")
"""What an embed of a webhook may not say; it is passed over."""


class Ids:
    """Ids that tell their moment and grow."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: float) -> str:
        """The next id, not before that of *now*."""
        self._last = max(self._last + 1, int((now - _DISCORDS_EPOCH) * 1000) << 22)
        return str(self._last)


def message_of(
    payload: dict[str, Any], *, webhook: Webhook, message_id: str, files: Iterable[str], now: float
) -> dict[str, Any]:
    """The message that *payload* becomes."""
    return {
        "id": message_id,
        "type": 0,
        "content": _content(payload.get("content")),
        "channel_id": webhook.channel_id,
        "author": {
            "id": webhook.id,
            "username": payload.get("username") or webhook.name,
            "avatar": None,
            "discriminator": "0000",
            "public_flags": 0,
            "flags": 0,
            "bot": True,
            "global_name": None,
        },
        "attachments": [
            {"id": str(place), "filename": name, "size": 0, "url": f"attachment://{name}", "proxy_url": ""}
            for place, name in enumerate(files)
        ],
        "embeds": [_embed(embed) for embed in payload.get("embeds") or ()],
        "mentions": [],
        "mention_roles": [],
        "pinned": False,
        "mention_everyone": False,
        "tts": bool(payload.get("tts")),
        "timestamp": _moment(now),
        "edited_timestamp": None,
        "flags": payload.get("flags") or 0,
        "components": payload.get("components") or [],
        "webhook_id": webhook.id,
    }


def edited(message: dict[str, Any], payload: dict[str, Any], *, now: float) -> dict[str, Any]:
    """*message* after an edit: only what *payload* names is changed."""
    changed = {**message, "edited_timestamp": _moment(now)}
    if "content" in payload:
        changed["content"] = _content(payload["content"])
    if "embeds" in payload:
        changed["embeds"] = [_embed(embed) for embed in payload["embeds"] or ()]
    if "components" in payload:
        changed["components"] = payload["components"] or []
    return changed


def hidden_embeds(embeds: Iterable[dict[str, Any]]) -> list[int]:
    """Which embeds nobody sees: of those with one url, only the first is shown."""
    seen: set[str] = set()
    hidden = []
    for place, embed in enumerate(embeds):
        url = embed.get("url")
        if not url:
            continue
        if url in seen:
            hidden.append(place)
        seen.add(url)
    return hidden


def marks_in(message: dict[str, Any], mark: re.Pattern[str]) -> list[str]:
    """What *message* says of itself, in the order in which it is shown."""
    shown = [message["content"], *(text for embed in message["embeds"] for text in texts(embed))]
    return [found for text in shown for found in mark.findall(text)]


def _content(content: Any) -> str:
    return "" if content is None else str(content).strip()


def _embed(embed: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in embed.items() if value is not None and key not in _IGNORED}
    return {**_trimmed(kept), "type": "rich"}


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if isinstance(value, dict):
        return {key: _trimmed(item) for key, item in value.items()}
    return value


def _moment(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat()
