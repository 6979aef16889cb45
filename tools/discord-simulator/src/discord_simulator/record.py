"""Everything that was said, in order, and how often what happened. Pure: the moment is an argument."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from discord_simulator.messages import hidden_embeds, marks_in
from discord_simulator.webhooks import Webhook

_MARKS_KEPT = 500_000


class Deed(StrEnum):
    """What was done with a message."""

    SAID = "said"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed.

    Attributes:
        number: counts every deed from 1.
        at: epoch seconds.
        deed: what was done.
        webhook: by whom, by name.
        channel: where.
        message: as it was then.
        marks: what the message says of itself.
        answered: how its sender was told: ``answered``, or the kind of fault that struck.
    """

    number: int
    at: float
    deed: Deed
    webhook: str
    channel: str
    message: dict[str, Any]
    marks: list[str]
    answered: str


@dataclass(slots=True)
class Record:
    """The newest deeds, and counts of all.

    Args:
        keep: deeds and messages that are kept.
        mark: finds what a message says of itself.
    """

    keep: int
    mark: re.Pattern[str]
    counts: Counter[str] = field(default_factory=Counter)
    """Deeds, answers by status, refusals by limit, hidden embeds."""
    said: Counter[str] = field(default_factory=Counter)
    """Messages by webhook."""
    duplicates: Counter[str] = field(default_factory=Counter)
    """Marks that one webhook said again, by webhook; each repeat counts."""
    peak: int = 0
    """Most requests within any second."""
    number: int = 0
    _entries: deque[Entry] = field(default_factory=deque)
    _messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    _marks: dict[tuple[str, str], None] = field(default_factory=dict)
    _requests: deque[float] = field(default_factory=deque)

    @property
    def beyond(self) -> int:
        """Deeds that are no longer kept."""
        return self.number - len(self._entries)

    def asked(self, now: float) -> None:
        """Count a request, whatever becomes of it."""
        self.counts["requests"] += 1
        self._requests.append(now)
        while self._requests[0] <= now - 1:
            self._requests.popleft()
        self.peak = max(self.peak, len(self._requests))

    def note(
        self, deed: Deed, webhook: Webhook, message: dict[str, Any], *, answered: str, now: float
    ) -> None:
        """Keep one deed."""
        marks = marks_in(message, self.mark)
        self.number += 1
        entry = Entry(self.number, now, deed, webhook.name, webhook.channel, message, marks, answered)
        self._entries.append(entry)
        if len(self._entries) > self.keep:
            self._entries.popleft()
        self.counts[deed] += 1
        if deed is Deed.DELETED:
            self._messages.pop(message["id"], None)
            return
        self._messages[message["id"]] = message
        if len(self._messages) > self.keep:
            del self._messages[next(iter(self._messages))]
        if deed is Deed.SAID:
            self._count_said(webhook.name, message, marks)

    def message(self, message_id: str) -> dict[str, Any] | None:
        """A message as it is now, if it is kept."""
        return self._messages.get(message_id)

    def entries(
        self, *, channel: str | None = None, webhook: str | None = None, after: int = 0
    ) -> Iterable[Entry]:
        """Deeds with a number above *after*, the oldest first."""
        for entry in self._entries:
            if entry.number > after and channel in (None, entry.channel) and webhook in (None, entry.webhook):
                yield entry

    def newest(self, count: int) -> list[Entry]:
        """The newest deeds, the newest first."""
        return [self._entries[-place] for place in range(1, min(count, len(self._entries)) + 1)]

    def forget(self) -> None:
        """Begin anew; numbers go on."""
        for kept in (self.counts, self.said, self.duplicates, self._entries, self._messages, self._marks):
            kept.clear()
        self.peak = 0
        self._requests.clear()

    def _count_said(self, webhook: str, message: dict[str, Any], marks: list[str]) -> None:
        self.said[webhook] += 1
        self.counts["hidden_embeds"] += len(hidden_embeds(message["embeds"]))
        for mark in marks:
            key = (webhook, mark)
            if key in self._marks:
                self.duplicates[webhook] += 1
            elif len(self._marks) < _MARKS_KEPT:
                self._marks[key] = None
            else:
                self.counts["marks_not_watched"] += 1
