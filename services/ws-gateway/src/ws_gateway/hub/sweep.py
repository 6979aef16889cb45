"""The sweep: flushes dirty cohorts one after another, each as soon as its pause is over.

Between two slices of work the event loop turns, so that the bus is read and clients are heard; a frame waits
for about one round over all cohorts, not for the end of one round and then another.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable

from ws_gateway.hub.pacing import Pace
from ws_gateway.hub.pens import Cohort

_SLICE = 0.001
_EARLY = 0.0005  # timers have a resolution of a millisecond; half of it early beats a whole one late
_SILENT_AFTER = 1.0
_SPREAD, _SPREAD_ABOVE, _LATE = 0.8, 0.010, 0.004


class Sweep:
    """When each cohort is flushed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Make a sweep that works in *loop*.

        Args:
            loop: where flushes are scheduled.
            clock: tells when a flush is due.
            cpu_clock: tells what a flush cost; waiting for a busy machine is no cost of ours.
        """
        self._loop = loop
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._queue: list[tuple[float, int, Cohort]] = []
        self._active: set[Cohort] = set()
        self._turn = 0
        self._next: asyncio.Handle | None = None
        self._next_at = 0.0
        self.pace = Pace()
        self.delivered = 0
        self.flushes = 0
        self.seconds = 0.0

    def mark(self, cohort: Cohort) -> None:
        """Have *cohort* flushed when its pause is over: now, if it has been quiet."""
        cohort.dirty = True
        self._turn += 1
        due = cohort.flushed_at + self.pace.interval
        heapq.heappush(self._queue, (due, self._turn, cohort))
        if self._next is None or due < self._next_at:
            self._wake_at(due)

    def forget(self, cohort: Cohort) -> None:
        """Take a cohort out of the reckoning that has no clients left."""
        if cohort in self._active:
            self._active.discard(cohort)
            self.pace.forget(cohort.cost)
            cohort.cost = 0.0

    def forget_silent(self) -> None:
        """Take cohorts out of the reckoning that have had nothing to say; called about once a second."""
        silent = self._clock() - _SILENT_AFTER
        for cohort in [cohort for cohort in self._active if cohort.flushed_at < silent]:
            self.forget(cohort)

    def flush_all(self) -> None:
        """Flush everything at once; for leaving."""
        while self._queue:
            self._flush(heapq.heappop(self._queue)[2])

    def close(self) -> None:
        """Stop flushing."""
        if self._next is not None:
            self._next.cancel()
        self._queue.clear()

    def _wake_at(self, due: float) -> None:
        if self._next is not None:
            self._next.cancel()
        wait = due - self._clock()
        self._next_at = due
        self._next = (
            self._loop.call_soon(self._step) if wait <= _EARLY else self._loop.call_later(wait, self._step)
        )

    def _step(self) -> None:
        self._next = None
        began = now = self._clock()
        queue = self._queue
        while queue and queue[0][0] <= now + _EARLY and now - began < _SLICE:
            now = self._flush(heapq.heappop(queue)[2])
        if queue:
            due = queue[0][0]
            self._wake_at(max(due, min(began + self._stride(), due + _LATE)))

    def _stride(self) -> float:
        """Return the time between slices that spreads a round evenly; 0 while a round is short."""
        interval = self.pace.interval
        return _SPREAD * interval / max(1, len(self._active)) if interval > _SPREAD_ABOVE else 0.0

    def _flush(self, cohort: Cohort) -> float:
        """Flush one cohort, learn what it cost, and return the time."""
        cohort.dirty = False
        began = self._cpu_clock()
        self.delivered += cohort.flush()
        spent = self._cpu_clock() - began
        now = self._clock()
        cohort.flushed_at = now
        # Who lags is not written to now but costs the same later: a crowd of them must not quicken the pace.
        served = cohort.size - cohort.behind
        cohort.cost = self.pace.learn(
            cohort.cost, spent * cohort.size / served if served > 0 else cohort.cost
        )
        self._active.add(cohort)
        self.flushes += 1
        self.seconds += spent
        return now
