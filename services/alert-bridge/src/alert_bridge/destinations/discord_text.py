"""Texts as Discord counts them: in UTF-16 units, after trimming. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

ELLIPSIS = "…"
_MAX_URL = 2_048


def units(text: str) -> int:
    """How long *text* is to Discord; at least what it counts by any of its ways."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int, end: str = ELLIPSIS) -> str:
    """*text* where it has at most *most* units, else its beginning and *end*, together at most as many."""
    if units(text) <= most:
        return text
    room = most - units(end)
    return _head(text, room).rstrip() + end if room >= 0 else _head(end, most)


def _head(text: str, most: int) -> str:
    """The first *most* units, without half a character at the end."""
    return text.encode("utf-16-le", "ignore")[: 2 * most].decode("utf-16-le", "ignore")


def text_of(value: Any) -> str:
    """What a JSON value says, trimmed; nothing for null."""
    if value is None:
        return ""
    return (value if isinstance(value, str) else orjson.dumps(value).decode()).strip()


def link_of(value: Any) -> str | None:
    """*value* if it is a web address that Discord takes."""
    if not isinstance(value, str):
        return None
    link = value.strip()
    if units(link) > _MAX_URL or not link.isprintable() or " " in link:
        return None
    try:
        parts = urlsplit(link)
        sound = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return link if sound else None
