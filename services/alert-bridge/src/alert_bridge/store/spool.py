"""Keeps alerts on this disk while the bus is away: nobody hears that one is kept before the disk has it.

One thread owns the file. All that comes while it writes goes into the next write together, so that many
senders share one wait for the disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

from alert_bridge.errors import SpoolFailed, SpoolFull
from alert_bridge.store.spool_file import Extent, Row, SpoolFile

TOGETHER: Final = 1_000
"""Changes that go to the disk in one write at most."""
TRY_AGAIN_AFTER: Final = 1.0
"""Seconds until a change that nobody waits for is tried again."""

log = structlog.get_logger(__name__)

T = TypeVar("T")


@asynccontextmanager
async def open_spool(path: Path | None, *, max_bytes: int) -> AsyncIterator[Spool | None]:
    """The spool in the file at *path* until the block ends; none without a path.

    Raises:
        SpoolUnusable: the file is damaged, something else, in use or out of reach.
    """
    if path is None:
        yield None
        return
    file = await asyncio.to_thread(SpoolFile, path, max_bytes=max_bytes)
    spool = Spool(file, max_bytes=max_bytes)
    if spool.extent.alerts:
        log.info("alerts wait in the spool", alerts=spool.extent.alerts, bytes=spool.extent.size)
    try:
        yield spool
    finally:
        await spool.close()


@dataclass(slots=True)
class _Job(Generic[T]):
    """Something to do with the file, and who waits for it."""

    work: Callable[[SpoolFile], T]
    done: asyncio.Future[T]


class Spool:
    """The file *file*, used from one loop, with at most *max_bytes* of alerts in it."""

    def __init__(self, file: SpoolFile, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.extent = file.extent
        """What the file holds, as of its last write."""
        self.full = False
        """Whether there was no room for an alert, and nothing has left since."""
        self.problem = ""
        """Why the last write failed; nothing once one succeeded."""
        self.last_number = file.last_number
        """The highest number of an alert in the file when it was opened."""
        self._loop = asyncio.get_running_loop()
        self._coming = 0
        self._closing = False
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(file,), name="spool", daemon=True)
        self._thread.start()

    def keep(self, row: Row) -> asyncio.Future[bool]:
        """Put *row* on the disk; the answer comes when it is there, and is False if its id was there before.

        The answer may be `SpoolFailed`: the disk did not take it.

        Raises:
            SpoolFull: there is no room; nothing was done.
        """
        self.full = self.extent.size + self._coming + row.size > self.max_bytes
        if self.full:
            raise SpoolFull(f"the bus is away, and the spool is full: it may hold {self.max_bytes} bytes")
        self._coming += row.size
        kept = self._do(lambda file: file.add(row))
        kept.add_done_callback(lambda _: self._arrived(row.size))
        return kept

    def read(self, after: int, *, most: int, most_bytes: int) -> asyncio.Future[list[Row]]:
        """The alerts after a number, in order, at most so many."""
        return self._do(lambda file: file.read(after, most=most, most_bytes=most_bytes))

    def numbers_of(self, ids: Sequence[str], *, upto: int) -> asyncio.Future[list[int]]:
        """The numbers, up to one, of the alerts that have these ids."""
        return self._do(lambda file: file.numbers_of(ids, upto=upto))

    def change(self, work: Callable[[SpoolFile], None], *, then: Callable[[], None] = lambda: None) -> None:
        """Change the file when it can be done, tried again until it is; *then* is called after it."""

        def ended(done: asyncio.Future[None]) -> None:
            if done.cancelled() or self._loop.is_closed():
                return
            if done.exception() is None:
                then()
            elif not self._closing:
                self._loop.call_later(TRY_AGAIN_AFTER, again)

        def again() -> None:
            self.change(work, then=then)

        self._do(work).add_done_callback(ended)

    async def close(self) -> None:
        """Do what is asked already, then let go of the file."""
        self._closing = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _do(self, work: Callable[[SpoolFile], T]) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self._loop.create_future()
        if self._closing:
            done.set_exception(SpoolFailed("the bridge is leaving"))
        else:
            self._jobs.put(_Job(work, done))
        return done

    def _arrived(self, size: int) -> None:
        self._coming -= size

    # From here on in the thread, `_told` excepted.

    def _work(self, file: SpoolFile) -> None:
        try:
            leaving = False
            while not leaving:
                jobs, leaving = self._next()
                if jobs:
                    self._do_together(file, jobs)
                if not leaving and self._jobs.empty():
                    with suppress(sqlite3.Error):  # a file that stays large is no loss
                        file.shrink()
        finally:
            file.close()

    def _next(self) -> tuple[list[_Job[Any]], bool]:
        jobs: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) >= TOGETHER:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _do_together(self, file: SpoolFile, jobs: list[_Job[Any]]) -> None:
        results: list[Any] = []
        problem = ""
        try:
            with file.transaction():
                results = [job.work(file) for job in jobs]
                file.look_at_oldest()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may hear that an alert is kept
            problem = str(error) or type(error).__name__
        with suppress(RuntimeError):  # the loop is gone, and with it who waits
            self._loop.call_soon_threadsafe(self._told, jobs, results, problem, file.extent)

    def _told(self, jobs: list[_Job[Any]], results: list[Any], problem: str, extent: Extent) -> None:
        self.full = self.full and extent.size >= self.extent.size
        self.extent = extent
        news, self.problem = bool(problem and not self.problem), problem
        for place, job in enumerate(jobs):
            if job.done.done():
                continue
            if problem:
                job.done.set_exception(
                    SpoolFailed(f"the bus is away, and the disk does not take the alert: {problem}")
                )
                job.done.exception()  # whoever waits hears it; nobody has to
            else:
                job.done.set_result(results[place])
        if news:
            log.error("the disk does not take the spool", problem=problem)
