"""From what an alert says to embeds that Discord takes: the sender's own, or one made for it. Pure.

An embed of a sender stays as it is within the limits. What does not fit is cut, what Discord would refuse is
left out, and then the last embed's footer says so and names the alert; colours and what Discord itself
ignores go without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alert_bridge.destinations.discord_clean import MAX_FOOTER, Embed, Wording, clean, field_texts
from alert_bridge.destinations.discord_text import cut, text_of, units
from baleen_contracts.alert import Alert, Severity

MAX_EMBEDS = 10
MAX_TOTAL = 6_000
"""Units of text over all embeds of one message."""

_MAX_FIELDS = 25
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
    parts = [f"without {part}" for part in missing]
    if not wording.lost:
        wording = _worded(sources, f"{', '.join(parts)}; whole alert: {reference}")
    if wording.lost:  # perhaps by the very mark that there are parts missing
        wording = _worded(sources, f"{', '.join(['cut', *parts])}; whole alert: {reference}")
    return tuple(wording.embeds)


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


def _worded(sources: Sequence[Mapping[str, Any]], mark: str = "") -> Wording:
    """The embeds of *sources* within all limits, the last with *mark* in its footer."""
    reserved = units(_BETWEEN) + units(mark) if mark else 0
    wording = Wording(MAX_TOTAL - reserved)
    for source in sources:
        for part in _split(source):
            embed = clean(part, wording)
            if not any(name in embed for name in _SAYS):
                wording.lost |= bool(embed.keys() - {"color"})
            elif len(wording.embeds) == MAX_EMBEDS:
                wording.lost = True
            else:
                wording.embeds.append(embed)
    if mark:
        _sign(wording, mark)
    return wording


def _sign(wording: Wording, mark: str) -> None:
    if not wording.embeds:
        return
    footer = dict(wording.embeds[-1].get("footer", {}))
    said = footer.get("text", "")
    if said:
        kept = cut(said, MAX_FOOTER - units(_BETWEEN) - units(mark))
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
    shown = [one for one in fields if not isinstance(one, dict) or field_texts(one) != ("", "")]
    shown = shown[: (MAX_EMBEDS + 1) * _MAX_FIELDS]  # one embed too many already says that it was cut
    parts = [shown[at : at + _MAX_FIELDS] for at in range(0, len(shown), _MAX_FIELDS)]
    if len(parts) <= 1:
        return [{**embed, "fields": shown}]
    below = {name: embed[name] for name in ("image", "footer", "timestamp") if name in embed}
    first = {name: value for name, value in embed.items() if name not in below}
    follow = [{"color": embed.get("color"), "fields": part} for part in parts[1:]]
    follow[-1].update(below)
    return [{**first, "fields": parts[0]}, *follow]
