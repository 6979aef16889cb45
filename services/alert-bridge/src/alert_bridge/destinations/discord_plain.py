"""Alerts in few words: a line each for a digest, or the text that goes when embeds are refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alert_bridge.destinations.discord_embed import COLOURS, MAX_DESCRIPTION, Embed, own_embeds
from alert_bridge.destinations.discord_envelope import reference_of
from alert_bridge.destinations.discord_text import cut, text_of, units
from baleen_contracts.alert import Alert, Severity

_MAX_CONTENT = 2_000
_MAX_HEADLINE = 100
_MAX_SNIPPET = 120


def digest_embed(alerts: Sequence[Alert], worst: Severity) -> Embed:
    """One embed with a line for each alert, oldest first, and a last line for those without room."""
    lines = [_line(alert) for alert in alerts]
    return {
        "title": f"{len(alerts)} alerts",
        "description": _as_many_as_fit(lines, MAX_DESCRIPTION),
        "color": COLOURS[worst],
        "timestamp": alerts[-1].occurred_at.isoformat(),
        "footer": {"text": f"from {reference_of(alerts[0])} to {reference_of(alerts[-1])}"},
    }


def plain_text(alerts: Sequence[Alert]) -> str:
    """Everything of *alerts* that is text, each with its fair share of one message."""
    share = max(_MAX_CONTENT // len(alerts) - 1, _MAX_SNIPPET)
    texts = [cut(_flat(alert), share, _short_enough(share, reference_of(alert))) for alert in alerts]
    return _as_many_as_fit(texts, _MAX_CONTENT)


def headline_of(alert: Alert) -> str:
    """What *alert* is about, in one line."""
    said = [alert.title, *(embed.get("title") for embed in own_embeds(alert)), alert.content]
    text = next(filter(None, map(text_of, said)), alert.alert_type)
    return cut(text.splitlines()[0].strip() or alert.alert_type, _MAX_HEADLINE)


def _line(alert: Alert) -> str:
    head = headline_of(alert)
    said = [alert.content, *(embed.get("description") for embed in own_embeds(alert))]
    rest = next((text for text in map(text_of, said) if text and not text.startswith(head)), "")
    about = f" ({alert.symbol})" if alert.symbol and alert.symbol not in head else ""
    snippet = f": {cut(' '.join(rest.split()), _MAX_SNIPPET)}" if rest else ""
    return f"• **{head}**{about}{snippet}"


def _short_enough(share: int, reference: str) -> str:
    mark = f"… (cut; whole alert: {reference})"
    return mark if units(mark) < share else "… (cut)"


def _as_many_as_fit(lines: Sequence[str], most: int) -> str:
    more: Callable[[int], str] = "… and {} more, not shown".format
    shown: list[str] = []
    left = most
    for place, line in enumerate(lines):
        last = place == len(lines) - 1
        needs = units(line) + (1 if shown else 0)
        if needs > left - (0 if last else units(more(len(lines))) + 1):
            return "\n".join([*shown, more(len(lines) - place)])
        shown.append(line)
        left -= needs
    return "\n".join(shown)


def _flat(alert: Alert) -> str:
    parts: list[Any] = [alert.title, alert.content]
    for embed in own_embeds(alert):
        author, footer = embed.get("author"), embed.get("footer")
        parts += [author.get("name") if isinstance(author, dict) else None]
        parts += [embed.get("title"), embed.get("description"), embed.get("url")]
        fields = embed.get("fields")
        for one in fields if isinstance(fields, list) else []:
            if isinstance(one, dict):
                parts.append(": ".join(filter(None, [text_of(one.get("name")), text_of(one.get("value"))])))
        parts += [footer.get("text") if isinstance(footer, dict) else None]
    parts.append(alert.url)
    said = list(dict.fromkeys(filter(None, map(text_of, parts))))
    return "\n".join(said or [alert.alert_type])
