"""What a Discord message has besides its text: who speaks, where, whom it pings, whether it sounds. Pure.

A sender's wishes travel as labels under ``discord.``; what Discord would refuse is put right or left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from alert_bridge.destinations.discord_embed import severity_of
from alert_bridge.destinations.discord_text import cut, link_of
from alert_bridge.destinations.spec import DiscordSpec
from baleen_contracts.alert import Alert, Severity

SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12

_MAX_NAME = 80
_MAX_WISH = 400  # characters of a name that are looked at
_MAX_THREAD_NAME = 100
_MAX_TAGS = 5
_MAX_MENTIONS = 100
_NAMES_REFUSED = re.compile("discord|clyde", re.IGNORECASE)
_SNOWFLAKE = re.compile(r"[0-9]{1,20}", re.ASCII)
_NOBODY = '{"parse":[]}'
_USERS = '{"parse":["users"]}'


@dataclass(frozen=True, slots=True)
class Envelope:
    """Equal for alerts that may share a message. ``mentions`` is the JSON of ``allowed_mentions``."""

    username: str | None = None
    avatar_url: str | None = None
    thread_id: str | None = None
    thread_name: str | None = None
    tags: tuple[str, ...] = ()
    tts: bool = False
    flags: int = 0
    mentions: str = _NOBODY

    @property
    def makes_thread(self) -> bool:
        """Each such message begins a thread of its own."""
        return self.thread_name is not None

    @property
    def silent(self) -> bool:
        """Whether it makes no sound."""
        return bool(self.flags & SUPPRESS_NOTIFICATIONS)

    def plainest(self) -> Envelope:
        """The same place, nobody pinged, no wish that could be refused."""
        flags = self.flags & SUPPRESS_NOTIFICATIONS
        return Envelope(thread_id=self.thread_id, thread_name=self.thread_name, tags=self.tags, flags=flags)

    def for_all(self, *, silent: bool) -> Envelope:
        """For a summary of many: it pings nobody, and sounds unless all are *silent*."""
        flags = SUPPRESS_NOTIFICATIONS if silent else 0
        return replace(self, tts=False, flags=flags, mentions=_NOBODY)

    def payload(self) -> dict[str, Any]:
        """These wishes as fields of a message."""
        payload: dict[str, Any] = {"allowed_mentions": orjson.loads(self.mentions)}
        named = {
            "username": self.username,
            "avatar_url": self.avatar_url,
            "thread_name": self.thread_name,
            "applied_tags": list(self.tags),
            "tts": self.tts,
            "flags": self.flags,
        }
        return payload | {name: value for name, value in named.items() if value}


def envelope_of(alert: Alert, spec: DiscordSpec) -> Envelope:
    """The envelope of a message that says *alert*."""
    labels = alert.labels
    thread_id = labels.get("discord.thread_id", "").strip()
    thread_name = None if thread_id else cut(labels.get("discord.thread_name", "").strip(), _MAX_THREAD_NAME)
    tags = _json(labels.get("discord.applied_tags"))
    return Envelope(
        username=name_of(labels.get("discord.username", "")),
        avatar_url=link_of(labels.get("discord.avatar_url")),
        thread_id=thread_id if _SNOWFLAKE.fullmatch(thread_id) else None,
        thread_name=thread_name or None,
        tags=_snowflakes(tags)[:_MAX_TAGS] if thread_name else (),
        tts=labels.get("discord.tts", "").strip().lower() in {"true", "1"},
        flags=_flags(labels, alert, spec.silent_below),
        mentions=_mentions(labels, spec.mentions),
    )


def name_of(wish: str) -> str | None:
    """A name that Discord lets a webhook have, as near as possible to the one wished for.

    What is refused may come to be anew where it was taken out, so that each look may find more: of a long
    wish only the beginning is looked at.
    """
    name = " ".join(wish[:_MAX_WISH].split())
    while (allowed := _NAMES_REFUSED.sub("", name)) != name:
        name = " ".join(allowed.split())
    return cut(name, _MAX_NAME) or None


def _flags(labels: Mapping[str, str], alert: Alert, silent_below: Severity | None) -> int:
    wish = labels.get("discord.flags", "").strip()
    flags = int(wish) if re.fullmatch("[0-9]{1,9}", wish) else 0
    order = list(Severity)
    if silent_below is not None and order.index(severity_of(alert)) < order.index(silent_below):
        flags |= SUPPRESS_NOTIFICATIONS
    return flags & (SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS)


def _mentions(labels: Mapping[str, str], policy: str) -> str:
    if policy == "none":
        return _NOBODY
    wish = _json(labels.get("discord.allowed_mentions"))
    if policy == "users" or not isinstance(wish, dict):
        return _USERS  # what Discord does for a webhook that says nothing
    parse = wish.get("parse")
    allowed: dict[str, Any] = {
        "parse": [
            kind for kind in ("roles", "users", "everyone") if isinstance(parse, list) and kind in parse
        ]
    }
    for kind in ("roles", "users"):
        if kind not in allowed["parse"] and (some := _snowflakes(wish.get(kind))[:_MAX_MENTIONS]):
            allowed[kind] = list(some)
    return orjson.dumps(allowed).decode()


def _snowflakes(value: Any) -> tuple[str, ...]:
    """The ids in a list, each once: Discord refuses repeats."""
    ids = (str(one) for one in value if isinstance(one, str | int)) if isinstance(value, list) else ()
    return tuple(dict.fromkeys(one for one in ids if _SNOWFLAKE.fullmatch(one)))


def _json(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
