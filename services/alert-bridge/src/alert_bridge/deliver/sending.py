"""Sends what one destination's round offers: one message at a time, in order, each until its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.breaker import Breaker
from alert_bridge.deliver.changing import Changeable, change_of, meant
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import Record, State, written
from alert_bridge.deliver.queue import Item, Offer
from alert_bridge.deliver.round import Round
from alert_bridge.deliver.settling import Settling
from alert_bridge.destinations.destination import (
    Delivered,
    Destination,
    Later,
    Packed,
    Rejected,
    Stopped,
    Verdict,
)
from alert_bridge.reasons import Wait
from alert_bridge.traces import delivering

_LONGEST_REST: Final = 5.0
_LONGEST_SEND: Final = 120.0
"""Seconds; every destination has a shorter time-out of its own."""
_SETTLED_WITHIN: Final = 10.0

log = structlog.get_logger(__name__)


class Sending:
    """The sender of one destination.

    Args:
        destination: where.
        around: what every courier works with.
        round_: what there is to send.
        counts: its account.
        settling: takes what has ended.
        breaker: when the destination may be tried.
        allowed: whether this replica may still send; asked before each message.
        on_stopped: told once when the destination takes nothing any more.
    """

    def __init__(
        self,
        destination: Destination,
        around: Around,
        *,
        round_: Round,
        counts: Counts,
        settling: Settling,
        breaker: Breaker,
        allowed: Callable[[], bool],
        on_stopped: Callable[[Stopped], None],
    ) -> None:
        self._destination, self._around = destination, around
        self._round, self._counts, self._settling, self._breaker = round_, counts, settling, breaker
        self._allowed, self._on_stopped = allowed, on_stopped
        self._stirred = asyncio.Event()
        self._leaving = False
        self._packed: Packed | None = None
        self._news: int | None = None
        """The edit whose message is gone: it is told as news."""

    def stir(self) -> None:
        """There may be something to send."""
        self._stirred.set()

    def leave(self) -> None:
        """Ends after the message that is on its way."""
        self._leaving = True
        self._stirred.set()

    async def run(self) -> None:
        """Sends until told to leave, or until this replica may not send any more."""
        while not self._leaving and self._allowed():
            self._settling.settle(self._round.tick(self._around.now()))
            offer = self._round.offer()
            wait = self._wait(offer)
            if offer is None or wait > 0:
                await self._rest(wait)
            else:
                await self._tell(offer)

    def _wait(self, offer: Offer | None) -> float:
        """Seconds until there is something to do; 0 for at once."""
        due = self._round.next_due()
        rest = _LONGEST_REST if due is None else min(_LONGEST_REST, max(0.01, due - self._around.now()))
        if offer is None or self._breaker.stopped:
            return rest
        now = self._around.clock.monotonic()
        wait = max(self._breaker.ready_in(now), self._destination.ready_in(now))
        return min(wait, rest)

    async def _tell(self, offer: Offer) -> None:
        """Sends the next message, and does what the answer means."""
        if offer.items[0].change and offer.items[0].key[0] != self._news:
            verdict = await self._change(offer)
        else:
            verdict = await self._say(offer)
        if verdict is not None:
            self._heed(verdict)

    async def _say(self, offer: Offer) -> Verdict | None:
        """Packs and sends what is offered; None if that was not sent."""
        packed = self._packed if self._round.retries else None
        if packed is None:
            packed = self._pack(offer)
        self._packed = packed
        covers = len(offer.items) if packed is None or offer.digest else min(packed.covers, len(offer.items))
        items = self._round.begin(covers if packed is not None or offer.digest else 1, self._around.now())
        if packed is None:
            return Rejected(detail="it cannot be put into words; the log says why")
        await self._write_sending(items)
        return await self._request(items, lambda: self._destination.send(packed.body))

    def _pack(self, offer: Offer) -> Packed | None:
        """The next message; None if the first alert cannot be packed, which is a defect."""
        for carried in (offer.carried, offer.carried[:1]):
            try:
                return self._destination.pack(carried, digest=offer.digest)
            except Exception:
                log.exception("an alert cannot be packed", destination=self._destination.name)
            if offer.digest or len(offer.items) == 1:
                break
        return None

    async def _change(self, offer: Offer) -> Verdict | None:
        """Changes the message that the alert means, where there is one."""
        carried = offer.items[0].carried
        destination = self._destination
        seq = meant(carried.alert)
        record = None if seq is None else await self._record_of(seq)
        change = change_of(carried.alert, record, possible=isinstance(destination, Changeable))
        remote_id = change.remote_id
        if not change.deletes and remote_id is None:
            return await self._say(offer)
        packed = None if change.deletes else self._pack(offer)
        items = self._round.begin(1, self._around.now())
        if change.deletes and seq is not None:
            self._settling.settle(self._round.withdraw(seq))
        if remote_id is None or not isinstance(destination, Changeable):
            detail = "this destination has no message of its own for it"
            self._settling.settle(self._round.nothing_to_change(detail))
            return None
        await self._write_sending(items)
        if change.deletes:
            verdict = await self._request(items, lambda: destination.delete(remote_id))
        else:
            body = packed.body if packed is not None else None
            verdict = await self._request(items, lambda: destination.edit(remote_id, body))
        if not isinstance(verdict, Rejected):
            return verdict
        if change.deletes:
            self._settling.settle(self._round.nothing_to_change(verdict.detail))
        else:
            self._news = carried.seq
            self._packed = None
            self._round.again()
        return None

    async def _record_of(self, seq: int) -> Record | None:
        """What is written down of an alert, once all is that this sender knows of it."""
        name = self._destination.name
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN):
                while (seq, 0) in self._settling.pending:  # noqa: ASYNC110 - a write takes a millisecond
                    await asyncio.sleep(0.002)
        return await self._around.ledger.one(name, seq, 0, self._counts.epoch)

    async def _request(self, items: list[Item], ask: Callable[[], object]) -> Verdict | None:
        """Makes one request for *items*, unless this replica may not any more."""
        if not self._allowed():
            return None
        name, clock = self._destination.name, self._around.clock
        began = clock.monotonic()
        with delivering(name, items) as answered:
            verdict = await self._answer(ask)
            answered(verdict)
        outcome = type(verdict).__name__.lower()
        self._around.metrics.send_seconds.labels(name, outcome).observe(clock.monotonic() - began)
        return verdict

    async def _answer(self, ask: Callable[[], object]) -> Verdict:
        """What a request brings. What fails without a word is a defect."""
        try:
            async with asyncio.timeout(_LONGEST_SEND):
                return await ask()  # type: ignore[misc,no-any-return]
        except TimeoutError:
            return Later(Wait.NO_ANSWER, detail="the destination did not end in time")
        except Exception:
            log.exception("a destination failed", destination=self._destination.name)
            return Later(Wait.SERVER_ERROR, detail="the destination failed; the log says why")

    def _heed(self, verdict: Verdict) -> None:
        """Does what an answer means."""
        match verdict:
            case Delivered():
                self._breaker.passed()
                self._settling.settle(self._round.delivered(verdict))
            case Later():
                self._heed_later(verdict)
            case Rejected():
                self._breaker.passed()
                self._heed_rejected(verdict)
            case Stopped():
                self._write_waiting(Wait.STOPPED, verdict.detail)
                self._round.stopped()
                self._breaker.stop(verdict.detail or f"it answered {verdict.status}")
                self._on_stopped(verdict)

    def _heed_later(self, verdict: Later) -> None:
        now = self._around.clock.monotonic()
        if verdict.failed:
            self._breaker.failed(str(verdict.why), now, self._around.chance(), verdict.after)
            log.info(
                "a destination failed; the message is sent again",
                destination=self._destination.name,
                why=verdict.why,
                detail=verdict.detail,
                seconds=round(self._breaker.ready_in(now), 3),
            )
        else:
            self._breaker.held_off(str(verdict.why), now, verdict.after)
        if verdict.why is not Wait.NO_ANSWER:
            self._write_waiting(verdict.why, verdict.detail)
        self._settling.settle(self._round.later(verdict))

    def _heed_rejected(self, verdict: Rejected) -> None:
        """A message of one alert, or a digest, is tried once more in its plainest form."""
        offer, packed = self._round.offer(), self._packed
        one = offer is not None and (len(offer.items) == 1 or offer.digest)
        if one and packed is not None and packed.plain is not None:
            self._packed = Packed(packed.covers, packed.plain)
            self._round.again()
            return
        self._settling.settle(self._round.rejected(verdict))

    async def _write_sending(self, items: list[Item]) -> None:
        """Written down before the first byte leaves, so that a successor knows what may have been taken."""
        await self._around.pen.write(*(self._line(item, State.SENDING, None, "") for item in items))

    def _write_waiting(self, why: Wait, detail: str) -> None:
        """The message was surely not taken: a successor need not doubt it."""
        offer = self._round.offer()
        for item in offer.items if offer is not None else ():
            if not item.doubts:
                self._around.pen.put(*self._line(item, State.WAITING, why, detail), _nothing)

    def _line(self, item: Item, state: State, why: Wait | None, detail: str) -> tuple[str, bytes]:
        seq, replays = item.key
        record = item.end(state, why, detail=detail).record(self._around.clock.now(), self._counts.epoch)
        key = names.record_of(seq, self._destination.name, replays)
        return key, written(replace(record, again=item.doubts))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        self._stirred.clear()


def _nothing() -> None:
    """A record that nobody waits for is stored."""
