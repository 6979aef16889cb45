"""Alerts in words alone: a headline, all that is text, a line each for a digest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alert_bridge.destinations.discord_text import cut, text_of, units
from baleen_contracts.alert import Alert

_MAX_HEADLINE = 100
_MAX_SNIPPET = 120
_SHORTEST_SHARE = 100
_MOST_FIELDS = 4_000  # more than any text holds that is made of them


def reference_of(alert: Alert) -> str:
    """By what people look *alert* up: its sender's id."""
    return alert.id or alert.identity


def headline_of(alert: Alert) -> str:
    """What *alert* is about, in one line."""
    said = [alert.title, *(embed.get("title") for embed in _embeds(alert)), alert.content]
    text = next(filter(None, map(text_of, said)), alert.alert_type)
    return cut(text.splitlines()[0].strip() or alert.alert_type, _MAX_HEADLINE)


def whole_text(alert: Alert) -> str:
    """Everything of *alert* that is text, without repeats."""
    parts: list[Any] = [alert.title, alert.content]
    for embed in _embeds(alert):
        fields = embed.get("fields")
        parts += [_inside(embed, "author", "name"), embed.get("title"), embed.get("description")]
        parts += [embed.get("url")]
        parts += [
            _field(one) for one in (fields if isinstance(fields, list) else []) if isinstance(one, dict)
        ]
        parts += [_inside(embed, "footer", "text")]
    parts.append(alert.url)
    said = list(dict.fromkeys(filter(None, map(text_of, parts))))
    return "\n".join(said or [alert.alert_type])


def text_within(alert: Alert, most: int) -> str:
    """As much of the text as *most* units hold; what is cut says so, and names the alert if there is room."""
    mark = f"… (cut; whole alert: {reference_of(alert)})"
    return cut(whole_text(alert), most, mark if units(mark) < most else "… (cut)")


def texts_within(alerts: Sequence[Alert], most: int) -> str:
    """The texts of *alerts*, each with its fair share of *most* units."""
    share = max(most // len(alerts) - 1, _SHORTEST_SHARE)
    return _as_many_as_fit([text_within(alert, share) for alert in alerts], most)


def digest_within(alerts: Sequence[Alert], most: int) -> str:
    """A line for each of *alerts*, oldest first, and a last line for those without room."""
    return _as_many_as_fit([_line(alert) for alert in alerts], most)


def _line(alert: Alert) -> str:
    head = headline_of(alert)
    said = [alert.content, *(embed.get("description") for embed in _embeds(alert))]
    rest = next((text for text in map(text_of, said) if text and not text.startswith(head)), "")
    about = f" ({alert.symbol})" if alert.symbol and alert.symbol not in head else ""
    snippet = f": {cut(' '.join(rest.split()), _MAX_SNIPPET)}" if rest else ""
    return f"• {head}{about}{snippet}"


def _as_many_as_fit(lines: Sequence[str], most: int) -> str:
    """*lines*, the last ones replaced by their number where there are too many."""
    reserved = units(_more(len(lines))) + 1
    shown: list[str] = []
    left = most
    for place, line in enumerate(lines):
        needs = units(line) + bool(shown)
        last = place == len(lines) - 1
        if needs > left - (0 if last else reserved):
            return "\n".join([*shown, _more(len(lines) - place)])
        shown.append(line)
        left -= needs
    return "\n".join(shown)


def _more(count: int) -> str:
    return f"… and {count} more, not shown"


def _embeds(alert: Alert) -> list[Mapping[str, Any]]:
    return [embed for embed in (alert.embed, *alert.more_embeds) if embed]


def _inside(embed: Mapping[str, Any], name: str, key: str) -> Any:
    inner = embed.get(name)
    return inner.get(key) if isinstance(inner, dict) else None


def _field(one: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, [text_of(one.get("name")), text_of(one.get("value"))]))
