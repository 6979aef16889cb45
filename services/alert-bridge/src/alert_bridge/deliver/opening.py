"""Finds where a destination stands before it is served: its consumer, its account, what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.intake import Found
from alert_bridge.deliver.reading import Standing, make, standing
from alert_bridge.deliver.standing import Kept, kept_as, kept_in
from baleen_bus import Bucket, Bus, Conflict
from baleen_bus.buckets import DELIVERY
from baleen_bus.reading import StreamState, stream_state
from baleen_runtime.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """Where a destination stands.

    ``unacked``: the numbers that the consumer may still wait for, among those whose end is written down.
    """

    kept: Kept
    found: Found
    unacked: range
    asked: int
    """The revision of the newest wish to try it again; 0 if there is none."""


async def enrol(bus: Bus, clock: Clock, destination: str) -> None:
    """Sees to it that alerts from now on wait for a destination, whoever will serve it.

    Raises:
        Unreachable, ApiRefused: the bus cannot be asked now.
    """
    bucket = Bucket(bus, DELIVERY)
    stream = await stream_state(bus, names.ALERTS)
    kept, consumer = await _found(bus, bucket, stream, clock, destination)
    if await bucket.read(names.account_of(destination)) is None:
        try:
            await bucket.create(names.account_of(destination), kept_as(kept))
        except Conflict:
            log.debug("another replica enrolled it", destination=destination)
        else:
            log.info(
                "alerts wait for a destination from now on", destination=destination, start=consumer.start
            )
    letters = await stream_state(bus, names.LETTERS)
    await make(
        bus,
        names.LETTERS,
        names.replay_consumer_of(destination),
        names.replays_to(destination),
        letters.last_seq + 1,
    )


async def opened(bus: Bus, clock: Clock, destination: str) -> Opened:
    """Where a destination stands, for who is to serve it.

    Raises:
        Unreachable, ApiRefused: the bus cannot be asked now.
    """
    bucket = Bucket(bus, DELIVERY)
    stream = await stream_state(bus, names.ALERTS)
    kept, consumer = await _found(bus, bucket, stream, clock, destination)
    through = kept.counts.through
    # One that was made anew further on acknowledges nothing of what lies before it.
    floor = consumer.ack_floor if consumer.start <= through + 1 else 0
    wish = await bucket.read(names.resume_of(destination))
    last = (await stream_state(bus, names.ALERTS)).last_seq
    return Opened(
        kept,
        Found(last, floor, consumer.delivered),
        range(consumer.ack_floor + 1, through + 1) if consumer.ack_pending else range(0),
        0 if wish is None else wish.revision,
    )


async def _found(
    bus: Bus, bucket: Bucket, stream: StreamState, clock: Clock, destination: str
) -> tuple[Kept, Standing]:
    """What is kept of it, and its consumer; what is not there yet begins now, and what was lost is said."""
    name = names.consumer_of(destination)
    entry = await bucket.read(names.account_of(destination))
    kept = None if entry is None else kept_in(entry.value)
    consumer = await standing(bus, names.ALERTS, name)
    if kept is not None and kept.counts.epoch != stream.epoch:
        log.error(
            "the stream of alerts was made anew; what had not been delivered of the old one is lost",
            destination=destination,
            open=len(kept.counts.open),
        )
        after = max(0, stream.first_seq - 1)
        kept = replace(kept, counts=Counts(stream.epoch, after, after))
    if consumer is None:
        start = (stream.last_seq if kept is None else kept.counts.through) + 1
        consumer = await make(bus, names.ALERTS, name, names.PATTERN, start)
        log.info("a consumer was made", destination=destination, consumer=name, start=consumer.start)
    if kept is None:
        after = _after(consumer, destination)
        at = clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        kept = Kept(destination, Counts(stream.epoch, after, after), at)
    return kept, consumer


def _after(consumer: Standing, destination: str) -> int:
    """The last number that does not concern a destination of which nothing is kept.

    The consumer tells it, since another replica may have made that a moment ago.
    """
    if consumer.ack_floor >= consumer.start:
        log.error(
            "the account of a destination is gone; it counts anew from what is not acknowledged",
            destination=destination,
        )
    return max(consumer.start - 1, consumer.ack_floor)
