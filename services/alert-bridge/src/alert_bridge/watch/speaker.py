"""Puts the alerts of watches on the bus, and knows what of a stream is not said yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.progress import Progress
from alert_bridge.watch.words import NAME
from baleen_bus import BusStopped, DropReason, OutboxFull, Publisher, PublishRefused, Stored
from baleen_contracts.alert import Alert

AGAIN_AFTER: Final = 0.2

log = structlog.get_logger(__name__)


class Speaker:
    """Speaks through *publisher*. ``on_full`` is called when there is no room for what was to be said."""

    def __init__(self, publisher: Publisher, figures: WatchFigures, on_full: Callable[[], None]) -> None:
        self._publisher, self._figures, self._on_full = publisher, figures, on_full
        self._unsaid: list[tuple[Alert, Progress, int]] = []

    def say(self, alert: Alert, progress: Progress, seq: int) -> None:
        """Say *alert*, of the message *seq*, which is open in *progress* until a stream has it."""
        progress.began(seq)
        self._offer(alert, progress, seq)

    async def say_what_is_left(self) -> None:
        """Wait until there is room for all that found none, so that nothing that matched is dropped."""
        while self._unsaid:
            left, self._unsaid = self._unsaid, []
            for alert, progress, seq in left:
                self._offer(alert, progress, seq)
            if self._unsaid:
                await asyncio.sleep(AGAIN_AFTER)

    def _offer(self, alert: Alert, progress: Progress, seq: int) -> None:
        def on_stored(_: Stored) -> None:
            progress.ended(seq)

        def on_dropped(refusal: PublishRefused) -> None:
            if refusal.reason is not DropReason.CLOSED:  # else we leave; it stays open, and is read again
                self._figures.failed(alert.labels.get(NAME, alert.alert_type))
                log.error("the bus refused the alert of a watch", id=alert.id, reason=str(refusal.reason))
                progress.ended(seq)

        try:
            self._publisher.offer(alert, on_stored, on_dropped)
        except OutboxFull:
            self._unsaid.append((alert, progress, seq))
            self._on_full()
        except PublishRefused as refusal:
            on_dropped(refusal)
        except BusStopped:
            pass  # as when it is dropped because we leave
