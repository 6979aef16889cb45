"""Settles what has ended: the dead letter first, then the record, then the account and the acknowledgement.

Each step begins when the bus has the one before, and none waits for another alert's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import End, Key, State, written
from alert_bridge.deliver.letters import letter_of
from alert_bridge.reasons import Suppressed
from baleen_bus import BusClosed, OutboxFull, PublishRefused
from baleen_contracts.dead_letter import DeadLetter

_AGAIN_AFTER: Final = 1.0

log = structlog.get_logger(__name__)


class Settling:
    """What has ended at one destination and is not settled yet.

    Args:
        name: the destination.
        around: what every courier works with.
        counts: its account.
        on_settled: called with each that is.
        on_dead: called with each that is given up, at once.
    """

    def __init__(
        self,
        name: str,
        around: Around,
        counts: Counts,
        *,
        on_settled: Callable[[Key], None],
        on_dead: Callable[[End], None],
    ) -> None:
        self.pending: dict[Key, None] = {}
        self._name, self._around, self._counts = name, around, counts
        self._on_settled, self._on_dead = on_settled, on_dead
        self._closed = False

    def settle(self, ends: list[End]) -> None:
        """Takes what has just ended; returns at once."""
        for end in ends:
            self.pending[end.key] = None
            if end.state is State.DEAD:
                self._on_dead(end)
                log.warning(
                    "an alert is given up",
                    destination=self._name,
                    seq=end.key[0],
                    reason=end.reason,
                    detail=end.detail,
                )
                self._letter(end, whole=True)
            elif end.reason == Suppressed.NOT_ROUTED:
                self._settled(end)  # no record says the same
            else:
                self._record(end)

    def close(self) -> None:
        """What is not settled by now is settled by a successor."""
        self._closed = True

    def _letter(self, end: End, *, whole: bool) -> None:
        if self._closed:
            return
        around = self._around
        letter = letter_of(end, self._name, self._counts.epoch, around.clock.now(), whole=whole)

        def dropped(refusal: PublishRefused) -> None:
            self._letter_refused(end, refusal, whole=whole)

        self._offer(letter, lambda: self._record(end), dropped, again=lambda: self._letter(end, whole=whole))

    def _offer(
        self,
        letter: DeadLetter,
        stored: Callable[[], None],
        dropped: Callable[[PublishRefused], None],
        again: Callable[[], None],
    ) -> None:
        try:
            self._around.letters.offer(letter, lambda _: stored(), dropped)
        except PublishRefused as refusal:
            dropped(refusal)
        except (OutboxFull, BusClosed):
            asyncio.get_running_loop().call_later(_AGAIN_AFTER, again)

    def _letter_refused(self, end: End, refusal: PublishRefused, *, whole: bool) -> None:
        """The bus does not take the letter: without the alert it may; else the alert stays open."""
        log.error("a dead letter was refused", destination=self._name, seq=end.key[0], why=str(refusal))
        if whole:
            self._letter(end, whole=False)
        else:
            asyncio.get_running_loop().call_later(_AGAIN_AFTER, lambda: self._letter(end, whole=False))

    def _record(self, end: End) -> None:
        if self._closed:
            return
        seq, replays = end.key
        record = end.record(self._around.clock.now(), self._counts.epoch)
        key = names.record_of(seq, self._name, replays)
        self._around.pen.put(key, written(record), lambda: self._settled(end))

    def _settled(self, end: End) -> None:
        if self._closed:
            return
        seq, replays = end.key
        if replays:
            self._counts.replayed[end.state] += 1
        else:
            self._counts.end(seq, end.state, end.reason, end.again)
        del self.pending[end.key]
        self._on_settled(end.key)
