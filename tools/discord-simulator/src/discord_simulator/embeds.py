"""What an embed may be, and how much all embeds of a message may say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from discord_simulator.problems import Path, Problems

MAX_EMBEDS = 10
MAX_FIELDS = 25
MAX_TOGETHER = 6000
MAX_COLOUR = 0xFFFFFF
MAX_URL = 2048
_TEXTS = {"title": 256, "description": 4096}
_PARTS = {"footer": ("text", 2048), "author": ("name", 256), "provider": ("name", 256)}
_FIELD = {"name": 256, "value": 1024}
_LINKS = (("url",), ("image", "url"), ("thumbnail", "url"), ("footer", "icon_url"), ("author", "url"),
          ("author", "icon_url"))  # fmt: skip


def length(text: Any) -> int:
    """How long *text* is once trimmed, in UTF-16 units."""
    return len(str(text).strip().encode("utf-16-le", "surrogatepass")) // 2


def check_embeds(embeds: Any, problems: Problems) -> None:
    """Note everything that is wrong with the *embeds* of a message."""
    if embeds is None:
        return
    if not isinstance(embeds, list):
        problems.add(("embeds",), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    if len(embeds) > MAX_EMBEDS:
        problems.add(("embeds",), "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_EMBEDS} or fewer in length.")
        return
    together = 0
    for place, embed in enumerate(embeds):
        path: Path = ("embeds", place)
        if not isinstance(embed, dict):
            problems.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            continue
        _check_embed(embed, path, problems)
        together += size(embed)
        if together > MAX_TOGETHER:  # the embed that makes it too much is named
            message = f"Embed size exceeds maximum size of {MAX_TOGETHER}"
            problems.add(path, "MAX_EMBED_SIZE_EXCEEDED", message)
            return


def size(embed: dict[str, Any]) -> int:
    """What an embed adds to the sum over all embeds of a message."""
    return sum(length(text) for text in texts(embed))


def texts(embed: dict[str, Any]) -> Iterable[str]:
    """Every text of an embed that counts, in the order in which it is shown."""
    yield from _text(_part(embed, "author"), "name")
    yield from _text(embed, "title")
    yield from _text(embed, "description")
    for entry in _fields(embed):
        yield from _text(entry, "name")
        yield from _text(entry, "value")
    yield from _text(_part(embed, "footer"), "text")


def _check_embed(embed: dict[str, Any], path: Path, problems: Problems) -> None:
    for name, most in _TEXTS.items():
        _check_text(embed.get(name), most, (*path, name), problems)
    for name, (text, most) in _PARTS.items():
        part = embed.get(name)
        if part is not None and not isinstance(part, dict):
            message = "Only dictionaries may be used in a ModelType"
            problems.add((*path, name), "MODEL_TYPE_CONVERT", message)
        elif part:
            _check_text(part.get(text), most, (*path, name, text), problems)
    _check_fields(embed.get("fields"), (*path, "fields"), problems)
    _check_colour(embed.get("color"), (*path, "color"), problems)
    if (moment := embed.get("timestamp")) is not None and not _is_time(moment):
        message = f"Could not parse {str(moment)[:40]}. Should be ISO8601."
        problems.add((*path, "timestamp"), "DATE_TIME_TYPE_PARSE", message)
    for link in _LINKS:
        _check_link(embed, link, path, problems)


def _check_text(text: Any, most: int, path: Path, problems: Problems, *, needed: bool = False) -> None:
    if isinstance(text, dict | list):
        problems.add(path, "STRING_TYPE_CONVERT", "Could not interpret as string.")
    elif needed and (text is None or not str(text).strip()):
        problems.add(path, "BASE_TYPE_REQUIRED", "This field is required")
    elif text is not None and length(text) > most:
        problems.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def _check_fields(fields: Any, path: Path, problems: Problems) -> None:
    if fields is None:
        return
    if not isinstance(fields, list):
        problems.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    if len(fields) > MAX_FIELDS:
        problems.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_FIELDS} or fewer in length.")
        return
    for place, entry in enumerate(fields):
        if not isinstance(entry, dict):
            message = "Only dictionaries may be used in a ModelType"
            problems.add((*path, place), "MODEL_TYPE_CONVERT", message)
            continue
        for name, most in _FIELD.items():
            _check_text(entry.get(name), most, (*path, place, name), problems, needed=True)


def _check_colour(colour: Any, path: Path, problems: Problems) -> None:
    if colour is None:
        return
    try:
        value = int(colour)
    except (TypeError, ValueError):
        problems.add(path, "NUMBER_TYPE_COERCE", f'Value "{str(colour)[:40]}" is not int.')
        return
    if value > MAX_COLOUR:
        problems.add(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {MAX_COLOUR}.")
    elif value < 0:
        problems.add(path, "NUMBER_TYPE_MIN", "int value should be greater than or equal to 0.")


def _check_link(embed: dict[str, Any], link: tuple[str, ...], path: Path, problems: Problems) -> None:
    holder = embed if len(link) == 1 else _part(embed, link[0])
    url = holder.get(link[-1])
    if url in (None, ""):
        return
    where = (*path, *link)
    if not isinstance(url, str) or length(url) > MAX_URL:
        problems.add(where, "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_URL} or fewer in length.")
        return
    allowed = ("http", "https") if link == ("url",) else ("http", "https", "attachment")
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        problems.add(where, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        return
    if parts.scheme and parts.scheme not in allowed:
        message = f'Scheme "{parts.scheme[:20]}" is not supported. Scheme must be one of {allowed}.'
        problems.add(where, "URL_TYPE_INVALID_SCHEME", message)
    elif not parts.scheme or not parts.netloc:
        problems.add(where, "URL_TYPE_INVALID_URL", "Not a well formed URL.")


def _is_time(moment: Any) -> bool:
    try:
        datetime.fromisoformat(str(moment))
    except ValueError:
        return False
    return isinstance(moment, str)


def _part(embed: dict[str, Any], name: str) -> dict[str, Any]:
    part = embed.get(name)
    return part if isinstance(part, dict) else {}


def _fields(embed: dict[str, Any]) -> list[dict[str, Any]]:
    fields = embed.get("fields")
    return [entry for entry in fields if isinstance(entry, dict)] if isinstance(fields, list) else []


def _text(holder: dict[str, Any], name: str) -> Iterable[str]:
    text = holder.get(name)
    if text is not None and not isinstance(text, dict | list):
        yield str(text)
