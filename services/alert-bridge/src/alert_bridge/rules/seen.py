"""An alert as rules see it: its names in small letters, its severity as a rank, its keys. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

from alert_bridge.changes import changes, deletes
from baleen_contracts.alert import Alert, Severity

HEADLINE: Final = "headline"
"""The key that is no field: the title without its figures, so that a price that ticks is no news."""
LABELS: Final = "labels."

KEYS: Final = (*Alert.model_fields, HEADLINE)
"""What may stand in a `by`, beside ``labels.`` and a name."""

_RANKS: Final = {str(severity): rank for rank, severity in enumerate(Severity)}
_LONGEST: Final = 64
"""Characters of a key's value that are kept as they are; a longer one is kept as its digest."""
_FIGURES: Final = re.compile(r"[\d$.,%]+")

Key = tuple[str | None, ...]


def rank_of(severity: str | None) -> int:
    """How much a severity matters; one that is absent or unknown counts as ``info``."""
    return _RANKS.get((severity or "info").lower(), _RANKS["info"])


class Seen:
    """One alert, looked at once for all rules."""

    __slots__ = ("_plain", "alert", "alert_type", "rank", "source", "symbol")

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self.alert_type = alert.alert_type.lower()
        self.source = alert.source.lower()
        self.symbol = alert.symbol.lower() if alert.symbol is not None else None
        self.rank = rank_of(alert.severity)
        self._plain: dict[str, Any] | None = None

    @property
    def edits(self) -> bool:
        """Whether it changes or takes back an earlier alert."""
        return changes(self.alert)

    @property
    def deletes(self) -> bool:
        """Whether it takes an earlier alert back, which nobody hears."""
        return deletes(self.alert)

    @property
    def plain(self) -> dict[str, Any]:
        """The alert as its JSON reads, for filters; made from the model, which is quicker than parsing."""
        if self._plain is None:
            fields = dict(self.alert.__dict__)
            for name in ("occurred_at", "received_at"):
                fields[name] = fields[name].isoformat()
            fields["more_embeds"] = list(fields["more_embeds"])
            self._plain = fields
        return self._plain

    def key(self, by: Iterable[str]) -> Key:
        """The values of these keys, short enough to be kept by the thousand."""
        return tuple([_short(self._value(name)) for name in by])

    def same(self) -> tuple[str, str, float]:
        """What tells this alert from every other one in the stream, a later one of the same id included."""
        alert = self.alert
        return (alert.source, alert.id or alert.message_id, alert.received_at.timestamp())

    def _value(self, name: str) -> Any:
        match name:
            case "alert_type" | "source" | "symbol":
                return getattr(self, name)
            case "headline":
                return headline(self.alert)
        if name.startswith(LABELS):
            return self.alert.labels.get(name.removeprefix(LABELS))
        return getattr(self.alert, name)


def headline(alert: Alert) -> str | None:
    """The alert's first line without digits and ``$ . , %``, spaces made one; None where it has no words.

    Its title; else the first line of its content; else that of its embed's description.
    """
    words = alert.title or alert.content or _described(alert.embed)
    lines = words.strip().splitlines() if words else []
    left = _FIGURES.sub(" ", lines[0]).lower().split() if lines else []
    return " ".join(left) or None


def _described(embed: dict[str, Any] | None) -> str | None:
    described = embed.get("description") if embed else None
    return described if isinstance(described, str) else None


def _short(value: Any) -> str | None:
    if value is None or value in ("", (), {}):
        return None
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    if len(text) <= _LONGEST:
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
