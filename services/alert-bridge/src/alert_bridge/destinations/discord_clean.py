"""What Discord takes of one embed, and how much of it fits. Pure.

What Discord would refuse a whole message for is put right or left out; what Discord itself ignores is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from alert_bridge.destinations.discord_text import cut, link_of, text_of, units

MAX_DESCRIPTION = 4_096
MAX_FOOTER = 2_048

_MAX_TITLE, _MAX_AUTHOR, _MAX_NAME, _MAX_VALUE = 256, 256, 256, 1_024
_MAX_COLOUR = 0xFFFFFF
_BLANK = "\u200b"  # Discord wants some text in a field's name and value; this one is not seen

Embed = dict[str, Any]


@dataclass(slots=True)
class Wording:
    """One alert's embeds as they come to be. ``lost`` once something of its text is not in them."""

    left: int
    embeds: list[Embed] = field(default_factory=list)
    lost: bool = False
    links: set[str] = field(default_factory=set)

    def fit(self, text: str, most: int) -> str:
        """As much of *text* as its own limit and the message's allow."""
        kept = cut(text, min(most, self.left)) if self.left else ""
        self.left -= units(kept)
        self.lost |= kept != text
        return kept

    def link(self, value: Any) -> str | None:
        """A web address, where Discord would take it."""
        link = link_of(value)
        self.lost |= link is None and bool(text_of(value))
        return link

    def once(self, link: str, description: str) -> Embed:
        """What an embed says of its *link*: Discord shows one embed per link, so a repeat becomes text."""
        if link not in self.links:
            self.links.add(link)
            return {"url": link}
        before = f"{description}\n" if description else ""
        more = units(before + link) - units(description)
        if units(before + link) > MAX_DESCRIPTION or more > self.left:
            self.lost = True
            return {}
        self.left -= more
        return {"description": before + link}


def clean(embed: Mapping[str, Any], wording: Wording) -> Embed:
    """What Discord takes of *embed*, as much as still fits."""
    said: Embed = {}
    if title := wording.fit(text_of(embed.get("title")), _MAX_TITLE):
        said["title"] = title
    if (author := _author(embed.get("author"), wording)) is not None:
        said["author"] = author
    if description := wording.fit(text_of(embed.get("description")), MAX_DESCRIPTION):
        said["description"] = description
    if (link := wording.link(embed.get("url"))) is not None:
        said |= wording.once(link, said.get("description", ""))
    said |= _colour(embed.get("color")) | _time(embed.get("timestamp"), wording)
    if fields := _fields(embed.get("fields"), wording):
        said["fields"] = fields
    for name in ("image", "thumbnail"):
        if (picture := _picture(embed.get(name), wording)) is not None:
            said[name] = picture
    if (footer := _footer(embed.get("footer"), wording)) is not None:
        said["footer"] = footer
    return said


def _fields(value: Any, wording: Wording) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        wording.lost |= bool(value)
        return []
    kept = []
    for one in value:
        if not isinstance(one, dict):
            wording.lost |= one is not None
            continue
        said = field_texts(one)
        if said == ("", ""):
            continue
        if wording.left < 2:  # noqa: PLR2004 - a name and a value take one unit each
            wording.lost = True
            break
        # A name never takes the last unit: its value needs one.
        wording.left -= 1
        name = wording.fit(said[0] or _BLANK, _MAX_NAME)
        wording.left += 1
        field_ = {"name": name, "value": wording.fit(said[1] or _BLANK, _MAX_VALUE)}
        kept.append({**field_, "inline": one["inline"]} if isinstance(one.get("inline"), bool) else field_)
    return kept


def field_texts(one: Mapping[str, Any]) -> tuple[str, str]:
    """A field's name and value, empty where it has none."""
    return text_of(one.get("name")), text_of(one.get("value"))


def _author(value: Any, wording: Wording) -> dict[str, str] | None:
    if not isinstance(value, dict):
        wording.lost |= bool(value)
        return None
    name = wording.fit(text_of(value.get("name")), _MAX_AUTHOR)
    links = {key: link for key in ("url", "icon_url") if (link := wording.link(value.get(key)))}
    if not name:
        wording.lost |= bool(links)
        return None
    return {"name": name, **links}


def _footer(value: Any, wording: Wording) -> dict[str, str] | None:
    if not isinstance(value, dict):
        wording.lost |= bool(value)
        return None
    text = wording.fit(text_of(value.get("text")), MAX_FOOTER)
    icon = wording.link(value.get("icon_url"))
    if not text:
        wording.lost |= icon is not None
        return None
    return {"text": text, "icon_url": icon} if icon else {"text": text}


def _picture(value: Any, wording: Wording) -> dict[str, str] | None:
    """A picture on the web; one that came along as a file was not kept."""
    if not isinstance(value, dict):
        wording.lost |= bool(value)
        return None
    link = wording.link(value.get("url"))
    return None if link is None else {"url": link}


def _colour(value: Any) -> dict[str, int]:
    if isinstance(value, str):
        digits = value.strip().lower().removeprefix("#").removeprefix("0x")
        base = 10 if value.strip().isdecimal() else 16
        try:
            value = int(digits, base)
        except ValueError:
            return {}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return {}
    return {"color": int(value)} if 0 <= value <= _MAX_COLOUR else {}


def _time(value: Any, wording: Wording) -> dict[str, str]:
    if value is None or value == "":
        return {}
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is None:
        wording.lost = True
        return {}
    return {"timestamp": (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()}
