"""What a message may be. Pure.

Texts are counted after trimming, in UTF-16 units: whether Discord counts those or characters is not
documented, and who keeps to the stricter count is right either way.
"""

from __future__ import annotations

from typing import Any

from discord_simulator.embeds import check_embeds, length
from discord_simulator.problems import Problems

MAX_CONTENT = 2000
MAX_USERNAME = 80
MAX_FILES = 10
MAX_MENTIONED = 100
SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, COMPONENTS_V2 = 1 << 2, 1 << 12, 1 << 15
_LEGACY = ("content", "embeds", "poll")
_FORBIDDEN_IN_NAMES = ("discord", "clyde")
_PARSED = ("roles", "users", "everyone")


def check_message(payload: dict[str, Any], *, files: int = 0) -> Problems:
    """Everything that is wrong with the message *payload* that came with so many *files*."""
    problems = Problems()
    _check_content(payload.get("content"), problems)
    _check_username(payload.get("username"), problems)
    check_embeds(payload.get("embeds"), problems)
    _check_mentions(payload.get("allowed_mentions"), problems)
    _check_flags(payload, problems)
    if files > MAX_FILES:
        problems.add(("files",), "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_FILES} or fewer in length.")
    return problems


def is_empty(payload: dict[str, Any], *, files: int = 0) -> bool:
    """Whether *payload* says nothing."""
    content = payload.get("content")
    says = content is not None and str(content).strip()
    return not (says or payload.get("embeds") or payload.get("components") or payload.get("poll") or files)


def _check_content(content: Any, problems: Problems) -> None:
    if isinstance(content, dict | list):
        problems.add(("content",), "STRING_TYPE_CONVERT", "Could not interpret as string.")
    elif content is not None and length(content) > MAX_CONTENT:
        problems.add(("content",), "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length.")


def _check_username(name: Any, problems: Problems) -> None:
    if name is None:
        return
    if not 1 <= length(name) <= MAX_USERNAME:
        message = f"Must be between 1 and {MAX_USERNAME} in length."
        problems.add(("username",), "BASE_TYPE_BAD_LENGTH", message)
    for word in _FORBIDDEN_IN_NAMES:
        if word in str(name).lower():
            message = f'Username cannot contain "{word}"'
            problems.add(("username",), "USERNAME_INVALID_CONTAINS", message)


def _check_mentions(allowed: Any, problems: Problems) -> None:
    if allowed is None:
        return
    if not isinstance(allowed, dict):
        path = ("allowed_mentions",)
        problems.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return
    for place, kind in enumerate(allowed.get("parse") or ()):
        if kind not in _PARSED:
            message = f"Value must be one of {{{', '.join(map(repr, _PARSED))}}}."
            problems.add(("allowed_mentions", "parse", place), "BASE_TYPE_CHOICES", message)
    for kind in ("users", "roles"):
        named = allowed.get(kind) or ()
        if len(named) > MAX_MENTIONED:
            message = f"Must be {MAX_MENTIONED} or fewer in length."
            problems.add(("allowed_mentions", kind), "BASE_TYPE_MAX_LENGTH", message)
        if named and kind in (allowed.get("parse") or ()):
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            problems.add(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)


def _check_flags(payload: dict[str, Any], problems: Problems) -> None:
    flags = payload.get("flags")
    if flags is None:
        return
    if not isinstance(flags, int) or isinstance(flags, bool):
        problems.add(("flags",), "NUMBER_TYPE_COERCE", f'Value "{str(flags)[:40]}" is not int.')
    elif flags & ~(SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2):
        problems.add(("flags",), "MESSAGE_FLAGS_INVALID", "Only some flags can be set by a webhook.")
    elif flags & COMPONENTS_V2:
        for name in _LEGACY:
            if payload.get(name):
                message = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                problems.add((name,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)
