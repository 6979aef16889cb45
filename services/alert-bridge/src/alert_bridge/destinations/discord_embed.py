"""From what an alert says to embeds that Discord takes: the sender's own, or one made for it. Pure.

An embed of a sender stays as it is within the limits. What does not fit is cut, what Discord would refuse is
left out, and then the last embed's footer says so and names the alert; colours and what Discord itself
ignores go without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from alert_bridge.destinations.discord_text import cut, link_of, text_of, units
from baleen_contracts.alert import Alert, Severity

MAX_EMBEDS = 10
MAX_TOTAL = 6_000
"""Units of text over all embeds of one message."""
MAX_DESCRIPTION = 4_096

_MAX_TITLE, _MAX_FOOTER, _MAX_AUTHOR = 256, 2_048, 256
_MAX_FIELDS, _MAX_NAME, _MAX_VALUE = 25, 256, 1_024
_MAX_COLOUR = 0xFFFFFF
_BLANK = "\u200b"  # Discord wants some text in a field's name and value; this one is not seen
_BETWEEN = " · "
_SAYS = ("title", "description", "author", "fields", "image", "thumbnail", "footer")
"""An embed of nothing else is empty to Discord."""
COLOURS = {
    Severity.DEBUG: 0x95A5A6,
    Severity.INFO: 0x3498DB,
    Severity.WARNING: 0xF1C40F,
    Severity.ERROR: 0xE67E22,
    Severity.CRITICAL: 0xE74C3C,
}

Embed = dict[str, Any]


@dataclass(slots=True)
class _Wording:
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


def embeds_of(
    alert: Alert, *, reference: str, mark_id: bool, missing: Sequence[str] = ()
) -> tuple[Embed, ...]:
    """The embeds that say *alert*: at least one, and no more than one message holds.

    Args:
        alert: what is said.
        reference: by which people find the whole alert.
        mark_id: put the reference into the footer, even if nothing was cut.
        missing: parts of the alert that no embed can show.
    """
    sources = own_embeds(alert) or [generated(alert)]
    if alert.title and not any(text_of(source.get("title")) for source in sources):
        sources[0] = {**sources[0], "title": alert.title}
    wording = _worded(sources)
    if not wording.embeds:  # not one of the sender's embeds can be shown
        sources, missing = [generated(alert)], ("its own embeds", *missing)
    if not missing and not wording.lost:
        wording = _worded(sources, reference if mark_id else "")
        if not wording.lost:
            return tuple(wording.embeds)
    parts = (["cut"] if wording.lost else []) + [f"without {part}" for part in missing]
    return tuple(_worded(sources, f"{', '.join(parts)}; whole alert: {reference}").embeds)


def own_embeds(alert: Alert) -> list[Mapping[str, Any]]:
    """The embeds that the sender made, and that say anything."""
    return [embed for embed in (alert.embed, *alert.more_embeds) if embed and any(map(embed.get, _SAYS))]


def size_of(embed: Embed) -> int:
    """Units of text in *embed*, as they count towards a message's total."""
    texts = [embed.get("title", ""), embed.get("description", "")]
    texts += [embed.get("footer", {}).get("text", ""), embed.get("author", {}).get("name", "")]
    for one in embed.get("fields", ()):
        texts += [one["name"], one["value"]]
    return sum(map(units, texts))


def severity_of(alert: Alert) -> Severity:
    """How much *alert* matters; without a word that we know, as much as news."""
    try:
        return Severity((alert.severity or "").lower())
    except ValueError:
        return Severity.INFO


def generated(alert: Alert) -> Embed:
    """An embed for an alert whose sender made none.

    Labels with a dot in their name were given by a receiver, for machines, and are not shown.
    """
    said = [("Symbol", alert.symbol), ("Source", alert.source), ("Type", alert.alert_type)]
    said += [(name, value) for name, value in alert.labels.items() if "." not in name]
    embed: Embed = {
        "title": alert.title or alert.alert_type.replace("_", " "),
        "color": COLOURS[severity_of(alert)],
        "timestamp": alert.occurred_at.isoformat(),
        "fields": [{"name": name, "value": value, "inline": True} for name, value in said if value],
    }
    if alert.content:
        embed["description"] = alert.content
    if alert.url:
        embed["url"] = alert.url
    return embed


def _worded(sources: Sequence[Mapping[str, Any]], mark: str = "") -> _Wording:
    """The embeds of *sources* within all limits, the last with *mark* in its footer."""
    reserved = units(_BETWEEN) + units(mark) if mark else 0
    wording = _Wording(MAX_TOTAL - reserved)
    for source in sources:
        for part in _split(source):
            embed = _clean(part, wording)
            if not any(name in embed for name in _SAYS):
                wording.lost |= bool(embed.keys() - {"color"})
            elif len(wording.embeds) == MAX_EMBEDS:
                wording.lost = True
            else:
                wording.embeds.append(embed)
    if mark:
        _sign(wording, mark)
    return wording


def _sign(wording: _Wording, mark: str) -> None:
    if not wording.embeds:
        return
    footer = dict(wording.embeds[-1].get("footer", {}))
    said = footer.get("text", "")
    if said:
        kept = cut(said, _MAX_FOOTER - units(_BETWEEN) - units(mark))
        wording.lost |= kept != said
        footer["text"] = kept + _BETWEEN + mark
    else:
        footer["text"] = mark
    wording.embeds[-1]["footer"] = footer


def _split(embed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """*embed*, and further ones for what it has beyond twenty-five fields; what stands below them moves."""
    fields = embed.get("fields")
    if not isinstance(fields, list):
        return [embed]
    shown = [one for one in fields if not isinstance(one, dict) or _field_texts(one) != ("", "")]
    shown = shown[: (MAX_EMBEDS + 1) * _MAX_FIELDS]  # one embed too many already says that it was cut
    parts = [shown[at : at + _MAX_FIELDS] for at in range(0, len(shown), _MAX_FIELDS)]
    if len(parts) <= 1:
        return [{**embed, "fields": shown}]
    below = {name: embed[name] for name in ("image", "footer", "timestamp") if name in embed}
    first = {name: value for name, value in embed.items() if name not in below}
    follow = [{"color": embed.get("color"), "fields": part} for part in parts[1:]]
    follow[-1].update(below)
    return [{**first, "fields": parts[0]}, *follow]


def _clean(embed: Mapping[str, Any], wording: _Wording) -> Embed:
    """What Discord takes of *embed*, as much as still fits."""
    clean: Embed = {}
    if title := wording.fit(text_of(embed.get("title")), _MAX_TITLE):
        clean["title"] = title
    if (author := _author(embed.get("author"), wording)) is not None:
        clean["author"] = author
    if description := wording.fit(text_of(embed.get("description")), MAX_DESCRIPTION):
        clean["description"] = description
    if (link := wording.link(embed.get("url"))) is not None:
        clean |= wording.once(link, clean.get("description", ""))
    clean |= _colour(embed.get("color")) | _time(embed.get("timestamp"), wording)
    if fields := _fields(embed.get("fields"), wording):
        clean["fields"] = fields
    for name in ("image", "thumbnail"):
        if (picture := _picture(embed.get(name), wording)) is not None:
            clean[name] = picture
    if (footer := _footer(embed.get("footer"), wording)) is not None:
        clean["footer"] = footer
    return clean


def _fields(value: Any, wording: _Wording) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        wording.lost |= bool(value)
        return []
    kept = []
    for one in value:
        if not isinstance(one, dict):
            wording.lost |= one is not None
            continue
        said = _field_texts(one)
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


def _field_texts(one: Mapping[str, Any]) -> tuple[str, str]:
    return text_of(one.get("name")), text_of(one.get("value"))


def _author(value: Any, wording: _Wording) -> dict[str, str] | None:
    if not isinstance(value, dict):
        wording.lost |= bool(value)
        return None
    name = wording.fit(text_of(value.get("name")), _MAX_AUTHOR)
    links = {key: link for key in ("url", "icon_url") if (link := wording.link(value.get(key)))}
    if not name:
        wording.lost |= bool(links)
        return None
    return {"name": name, **links}


def _footer(value: Any, wording: _Wording) -> dict[str, str] | None:
    if not isinstance(value, dict):
        wording.lost |= bool(value)
        return None
    text = wording.fit(text_of(value.get("text")), _MAX_FOOTER)
    icon = wording.link(value.get("icon_url"))
    if not text:
        wording.lost |= icon is not None
        return None
    return {"text": text, "icon_url": icon} if icon else {"text": text}


def _picture(value: Any, wording: _Wording) -> dict[str, str] | None:
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


def _time(value: Any, wording: _Wording) -> dict[str, str]:
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
