"""Reads one stream for the watches, from where the last reader stopped; what is missed is said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from alert_bridge.rules.model import Watch
from alert_bridge.watch.around import Around
from alert_bridge.watch.beginning import Missed, beginning
from alert_bridge.watch.ground import ground
from alert_bridge.watch.heard import Heard
from alert_bridge.watch.insisting import insist
from alert_bridge.watch.position import LONGEST_SILENCE, Position, PositionBook
from alert_bridge.watch.progress import Progress
from alert_bridge.watch.recall import recall
from alert_bridge.watch.restraint import SUMMED_UP
from alert_bridge.watch.sentry import Sentries, Sentry, mark_of
from alert_bridge.watch.speaker import Speaker
from alert_bridge.watch.words import gap_of
from baleen_bus import BusError, BusStopped, Delivered, Follower, FromSequence, Gap, GapReason
from baleen_bus.reading import stream_state

WRITE_EVERY: Final = 1.0
AGAIN_AFTER: Final = 0.5
SETTLED: Final = 2.0
"""Seconds after a stretch of time until its summary is made: what was stored in it has been heard by then."""
_ANEW: Final = frozenset({GapReason.STREAM_RECREATED, GapReason.WENT_BACK})

log = structlog.get_logger(__name__)


class Reader:
    """Reads *stream*; *book* keeps the position."""

    def __init__(self, stream: str, around: Around, book: PositionBook) -> None:
        self.stream = stream
        self._around, self._book, self._bus = around, book, around.bus
        self._reopen = asyncio.Event()  # set: what is heard now is read again by the next follower
        self._speaker = Speaker(around.publisher, around.figures, self._reopen.set)
        self._watches: Sequence[Watch] = ()
        self._wished = asyncio.Event()
        self._begun = False
        self._sentries = Sentries()
        self._patterns: frozenset[str] = frozenset()
        self._progress = Progress(0)
        self._epoch = ""
        self._follower: Follower | None = None
        self._written: Position | None = None
        self._looked: tuple[int, int] | None = None  # the stream's end, and how often was repaired before

    @property
    def open(self) -> int:
        """Messages whose alerts are not all stored."""
        return self._progress.open

    def want(self, watches: Sequence[Watch]) -> None:
        """Look for what these watches want from now on; a new or changed one for nothing that is past."""
        self._watches = watches
        self._wished.set()

    async def run(self) -> None:
        """Read for ever.

        Raises:
            ExceptionGroup: of `Superseded`: another replica writes where this one stands; or of `BusStopped`.
        """
        await insist(self._begin, self.stream)
        self._begun = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_wishes(), name=f"watch-wishes-{self.stream}")
            tasks.create_task(self._keep_position(), name=f"watch-position-{self.stream}")
            tasks.create_task(self._follow(), name=f"watch-follow-{self.stream}")

    async def _begin(self) -> None:
        """Find out where to go on, and what was said already."""
        self._wished.clear()
        watches = self._watches
        position = await self._book.read()
        state = await stream_state(self._bus, self.stream)
        begin = beginning(position, epoch=state.epoch, last_seq=state.last_seq)
        self._epoch = state.epoch
        self._progress = Progress(begin.after)
        self._sentries.set(())
        self._stand(watches, begin.marks, state.last_seq)
        await self._recall(position.at if position is not None else self._now)
        await self._write()
        if begin.missed is not None:
            self._miss(begin.missed)
        log.info("watching", stream=self.stream, after=begin.after, watches=len(watches))

    async def _follow_wishes(self) -> None:
        while True:
            await self._wished.wait()
            self._wished.clear()
            end = (await insist(lambda: stream_state(self._bus, self.stream), self.stream)).last_seq
            before = self._patterns
            self._stand(self._watches, self._marks(), end)
            if self._patterns != before:
                self._reopen.set()

    def say_the_rest(self) -> None:
        """Say what was to be said later: nothing is heard any more."""
        if self._begun:
            self._sum_up(self._now + SUMMED_UP)

    async def write_down(self) -> None:
        """Write down how far it got.

        Raises:
            Superseded: another replica writes where this one stands.
            BusError: the bus does not take it now.
        """
        if self._begun:
            await self._write()

    def _stand(self, watches: Sequence[Watch], marks: Mapping[str, int], end: int) -> None:
        had = {sentry.watch.name: sentry for sentry in self._sentries.standing}
        standing: list[Sentry] = []
        for watch in watches:
            old = had.get(watch.name)
            if old is not None and old.watch == watch:
                standing.append(old)
                continue
            since = marks.get(mark_of(watch), end)
            self._around.figures.stands(watch.name)
            standing.append(
                Sentry(watch, since=since, cooldown=self._around.cooldown(watch), most=self._around.most)
            )
        self._sentries.set(tuple(standing))
        self._patterns = ground(watches).get(self.stream, frozenset())

    async def _recall(self, written_at: float) -> None:
        """Learn what was said since the position was written, and within the longest cooldown."""
        by_name = {sentry.watch.name: sentry for sentry in self._sentries.standing}
        watches = [sentry.watch for sentry in by_name.values()]
        longest = max((watch.cooldown.seconds for watch in watches if watch.cooldown), default=0.0)
        since = min(written_at, self._now - longest)
        place = self._place
        await recall(self._bus, watches, since, lambda name, alert: by_name[name].remember(alert, place))

    async def _follow(self) -> None:
        while True:
            await self._speaker.say_what_is_left()
            self._reopen.clear()
            self._looked = None
            after = FromSequence(self._progress.heard + 1)
            patterns = sorted(self._patterns)
            try:
                async with Follower(
                    self._bus, self.stream, patterns, after, self._hear, self._on_gap
                ) as follower:
                    self._follower = follower
                    if follower.epoch != self._epoch:  # made anew since we looked: all of it is news
                        self._start_anew(0, follower.epoch)
                        self._miss(Missed(0, 0, GapReason.STREAM_RECREATED))
                        continue
                    await self._reopen.wait()
            except BusStopped:
                raise
            except BusError as error:
                log.warning("a stream cannot be followed now", stream=self.stream, problem=str(error))
                await asyncio.sleep(AGAIN_AFTER)

    def _hear(self, delivered: Delivered) -> None:
        if self._reopen.is_set():
            return
        self._around.figures.messages.inc()
        standing = self._sentries.under(delivered.subject)
        if standing:
            heard = Heard(delivered, self._epoch)
            for sentry in standing:
                self._judge(sentry, heard)
        self._progress.judged(delivered.seq)

    def _judge(self, sentry: Sentry, heard: Heard) -> None:
        name = sentry.watch.name
        try:
            judged = sentry.judge(heard)
        except Exception:
            self._around.figures.failed(name)
            log.exception("a watch failed", watch=name, at=heard.at)
            return
        if judged is None:
            return
        verdict, alert = judged
        self._around.figures.judged(name, verdict)
        if alert is not None:
            self._speaker.say(alert, self._progress, heard.seq)

    def _on_gap(self, gap: Gap) -> None:
        if gap.reason in _ANEW and self._follower is not None:
            self._start_anew(gap.from_seq - 1, self._follower.epoch)
        else:
            self._progress.judged(gap.to_seq)
        self._miss(Missed(gap.from_seq, gap.to_seq, gap.reason))

    def _start_anew(self, after: int, epoch: str) -> None:
        """The stream's numbers begin again after one: what the watches must not hear lies behind them."""
        self._epoch = epoch
        self._progress = Progress(after)
        for sentry in self._sentries.standing:
            sentry.since = min(sentry.since, after)

    def _miss(self, missed: Missed) -> None:
        self._around.figures.gaps.inc()
        first, last, reason = missed.first, missed.last, str(missed.reason)
        log.warning("the watches missed messages", stream=self.stream, first=first, last=last, reason=reason)
        now = self._around.clock.now()
        alert = gap_of(self.stream, self._epoch, first, last, reason=reason, at=now)
        self._speaker.say(alert, self._progress, self._progress.heard)

    async def _keep_position(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY)
            if self._follower is not None and self._follower.current:
                self._sum_up(self._now - SETTLED)
            try:
                await self._look_at_end()
                await self._write()
            except BusStopped:
                raise
            except BusError as error:
                log.info("a position is written later", stream=self.stream, problem=str(error))

    async def _look_at_end(self) -> None:
        """Move on over what no watch looks for: a follower that repaired after we looked has it all heard."""
        follower = self._follower
        if follower is None or not follower.current:
            self._looked = None
        elif self._looked is None:
            repaired = follower.stats.repairs + 1  # one may be under way
            self._looked = ((await stream_state(self._bus, self.stream)).last_seq, repaired)
        elif follower.stats.repairs > self._looked[1] and not self._reopen.is_set():
            self._progress.judged(self._looked[0])
            self._looked = None

    def _sum_up(self, at: float) -> None:
        for sentry in self._sentries.standing:
            for alert in sentry.summaries(at, self._place):
                self._speaker.say(alert, self._progress, self._progress.heard)

    async def _write(self) -> None:
        position = Position(self._epoch, self._progress.done, self._now, self._marks())
        was = self._written
        if was is not None and position.at - was.at < LONGEST_SILENCE and was.tells_as_much_as(position):
            return
        await self._book.write(position)
        self._written = position

    def _marks(self) -> dict[str, int]:
        return {mark_of(sentry.watch): sentry.since for sentry in self._sentries.standing}

    @property
    def _place(self) -> str:
        return f"{self.stream}.{self._epoch}."

    @property
    def _now(self) -> float:
        return self._around.clock.now().timestamp()
