"""Which alerts somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from baleen_contracts.alert import Alert, Severity

MOST: Final = 1_000
"""Rows of one page."""
USUAL: Final = 100

_SEVERITIES: Final = tuple(Severity)

Since = datetime | int | None
"""A moment, the number of the first wanted, or None for the newest."""


Kind = tuple[str, str, str, str]
"""What an alert is told apart by without reading it: type, source, symbol, severity, all in small letters."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which alerts are meant. Names fit whole and in any case; none given fits all.

    Attributes:
        types: any of these types.
        sources: any of these sources.
        symbols: any of these symbols.
        severity: at least this severe; an alert without a severity, or an unknown one, counts as ``info``.
        text: found in its title, its content or an embed, in any case.
    """

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    severity: Severity | None = None
    text: str = ""

    def fits(self, kind: Kind) -> bool:
        """Whether an alert of this kind is meant, as far as its kind tells: the text is not looked at."""
        alert_type, source, symbol, severity = kind
        return (
            (not self.types or alert_type in self.types)
            and (not self.sources or source in self.sources)
            and (not self.symbols or symbol in self.symbols)
            and (self.severity is None or rank(severity) >= rank(self.severity))
        )

    def meets(self, alert: Alert) -> bool:
        """Whether this alert is meant, its text included."""
        return self.fits(kind_of(alert)) and (not self.text or self.text in _words(alert).casefold())


@dataclass(frozen=True, slots=True)
class Wanted:
    """One page of history."""

    since: Since = None
    limit: int = USUAL
    filters: Filters = field(default_factory=Filters)


def kind_of(alert: Alert) -> Kind:
    """The kind of an alert."""
    return (
        alert.alert_type.casefold(),
        alert.source.casefold(),
        (alert.symbol or "").casefold(),
        (alert.severity or "").casefold(),
    )


def rank(severity: str) -> int:
    """How severe a word is, from 0; none and an unknown one are as ``info``."""
    try:
        return _SEVERITIES.index(Severity(severity))
    except ValueError:
        return _SEVERITIES.index(Severity.INFO)


@dataclass(frozen=True, slots=True)
class WantedDead:
    """One page of dead letters; ``destination`` None is every one."""

    destination: str | None = None
    since: Since = None
    limit: int = USUAL


def _words(alert: Alert) -> str:
    """What people read of an alert."""
    parts = [alert.title or "", alert.content or ""]
    for embed in (alert.embed, *alert.more_embeds):
        if embed is not None:
            parts += _texts(embed)
    return "\n".join(parts)


def _texts(embed: Mapping[str, object]) -> list[str]:
    found = [embed.get("title"), embed.get("description")]
    fields = embed.get("fields")
    for one in fields if isinstance(fields, list) else ():
        if isinstance(one, dict):
            found += [one.get("name"), one.get("value")]
    for part in ("footer", "author"):
        inner = embed.get(part)
        if isinstance(inner, dict):
            found += [inner.get("text"), inner.get("name")]
    return [text for text in found if isinstance(text, str)]
