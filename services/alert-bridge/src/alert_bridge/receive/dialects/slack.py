"""What Slack's incoming webhooks are sent, as a Discord message: attachments become embeds. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from alert_bridge.receive.discord import MAX_EMBEDS, Post, read_post
from alert_bridge.receive.values import as_text, plain_text

_LINK = re.compile(r"<((?:https?|mailto):[^|<>\s]+)(?:\|([^<>]+))?>")
"""Ends at the next ``<`` at the latest: else a text of nothing but beginnings would take minutes."""
_COLOURS = {"good": 0x2EB67D, "warning": 0xECB22E, "danger": 0xE01E5A}
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_DEEPEST = 8


def read_slack(said: Mapping[str, Any]) -> Post:
    """The message in a Slack payload, which is kept whole beside it, for what has no place in a message.

    Raises:
        Empty: it says nothing.
        Invalid: it is nested too deep.
    """
    attachments = [one for one in _list(said.get("attachments")) if isinstance(one, dict)]
    text = _words(said.get("text")) or "\n".join(_of_blocks(said.get("blocks"), _DEEPEST))
    shown = [embed for embed in map(_embed, attachments[:MAX_EMBEDS]) if embed]
    message = {
        "content": text or None,
        "embeds": shown,
        "username": plain_text(said.get("username")),
        "avatar_url": plain_text(said.get("icon_url")),
        "slack": dict(said),
    }
    if not text and not shown and attachments:
        message["content"] = as_text(attachments)[:2_000]
    return read_post(message)


def _embed(one: Mapping[str, Any]) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": _words(one.get("title")),
        "url": plain_text(one.get("title_link")),
        "description": "\n".join(filter(None, (_words(one.get("pretext")), _said_by(one)))),
        "color": _colour(one.get("color")),
        "fields": [_field(field) for field in _list(one.get("fields")) if isinstance(field, dict)],
        "footer": _part(text=_words(one.get("footer")), icon_url=plain_text(one.get("footer_icon"))),
        "author": _part(
            name=_words(one.get("author_name")),
            url=plain_text(one.get("author_link")),
            icon_url=plain_text(one.get("author_icon")),
        ),
        "image": _part(url=plain_text(one.get("image_url"))),
        "thumbnail": _part(url=plain_text(one.get("thumb_url"))),
    }
    return {name: value for name, value in embed.items() if value or value == 0}


def _said_by(one: Mapping[str, Any]) -> str:
    return (
        _words(one.get("text"))
        or "\n".join(_of_blocks(one.get("blocks"), _DEEPEST))
        or _words(one.get("fallback"))
    )


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": _words(field.get("title")),
        "value": _words(field.get("value")),
        "inline": bool(field.get("short")),
    }


def _part(**texts: str | None) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _of_blocks(blocks: Any, deepest: int) -> list[str]:
    """The texts in blocks, in their order."""
    found: list[str] = []
    for block in _list(blocks) if deepest else ():
        if not isinstance(block, dict):
            continue
        text = block.get("text")
        found += [_words(text.get("text") if isinstance(text, dict) else text)]
        for inner in ("elements", "fields"):
            found += _of_blocks(block.get(inner), deepest - 1)
    return [text for text in found if text]


def _words(value: Any) -> str:
    """A text of Slack's in Discord's spelling: links turned round, the three escapes undone."""
    text = plain_text(value) or ""
    text = _LINK.sub(lambda link: f"[{link[2]}]({link[1]})" if link[2] else link[1], text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _colour(value: Any) -> int | None:
    text = plain_text(value) or ""
    if text in _COLOURS:
        return _COLOURS[text]
    found = _HEX.fullmatch(text)
    return int(found[1], 16) if found else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
