"""From what trading code holds in its hands to an alert. Pure.

Trading code passes dicts, Discord embeds of five libraries, lists and mistakes. What can be understood is
kept whole; what cannot is refused with a sentence, and never by an exception of somebody else's.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from baleen_bus.plain_json import NotPlain, plain, text
from baleen_contracts.alert import Alert
from baleen_contracts.message import digest

GENERAL: Final = "general"
MONITOR: Final = "monitor"
_LONGEST_TITLE: Final = 1_000


class NoAlert(ValueError):  # noqa: N818 - the condition is the name
    """This can never be stored as an alert; the sentence says why, and holds nothing of what was said."""


def alert_of(
    embed: object,
    content: object = None,
    alert_type: object = GENERAL,
    source: object = MONITOR,
    symbol: object = None,
    *,
    id: str,  # noqa: A002 - the field's name
    now: datetime,
) -> Alert:
    """The alert in the arguments of ``publish_alert``.

    Raises:
        NoAlert: they say nothing, something too long, or something that is no embed.
    """
    embeds = embeds_of(embed)
    words = None if content is None else text(content)
    if not embeds and not (words and words.strip()):
        raise NoAlert("it has neither an embed nor content")
    title = embeds[0].get("title") if embeds else None
    try:
        return Alert(
            id=id,
            alert_type=_word(alert_type) or GENERAL,
            source=_word(source) or MONITOR,
            symbol=_word(symbol) or None,
            title=title[:_LONGEST_TITLE] if isinstance(title, str) and title else None,
            content=words or None,
            embed=embeds[0] if embeds else None,
            more_embeds=tuple(embeds[1:]),
            occurred_at=now,
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise NoAlert(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def embeds_of(embed: object) -> list[dict[str, JsonValue]]:
    """The embeds in what was passed as one.

    That is a dict, an embed of discord.py and its kin (``to_dict``) or of discord-webhook (its attributes),
    a list of those, a text (a description), or nothing.

    Raises:
        NoAlert: it is none of these, or too large.
    """
    try:
        several = embed if isinstance(embed, list | tuple) else [embed]
        return [found for each in several if (found := _embed(each))]
    except (NoAlert, NotPlain) as error:
        raise NoAlert(f"embed: {error}") from None
    except Exception as error:  # noqa: BLE001 - anybody's to_dict may do anything
        raise NoAlert(f"embed: {type(error).__name__} while it was read") from None


def same_words(alert: Alert) -> str:
    """Equal for two alerts that say the same, whenever they say it and whatever their ids."""
    return digest(alert.model_dump_json(exclude={"id", "occurred_at", "received_at"}))


def _embed(embed: object) -> dict[str, JsonValue]:
    if embed is None:
        return {}
    if isinstance(embed, str):
        return {"description": text(embed)} if embed.strip() else {}
    found = plain(_attributes(embed))
    if not isinstance(found, dict):
        raise NoAlert(f"{type(embed).__name__} is no embed")
    return found


def _attributes(embed: object) -> Any:
    """A mapping, if anything about the object is one."""
    if isinstance(embed, Mapping):
        return embed
    if not isinstance(embed, type) and callable(told := getattr(embed, "to_dict", None)):
        return told()
    attributes = getattr(embed, "__dict__", None)
    if isinstance(embed, type) or not isinstance(attributes, dict) or callable(embed):
        return None
    return {name: value for name, value in attributes.items() if value is not None and name[:1] != "_"}


def _word(value: object) -> str:
    return "" if value is None else text(value).strip()
