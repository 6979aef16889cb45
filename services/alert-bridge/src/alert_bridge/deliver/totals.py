"""The account of every destination, whoever serves it: accepted, and what became of all that was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from alert_bridge.deliver import names
from alert_bridge.deliver.around import InForce
from alert_bridge.deliver.breaker import Standing
from alert_bridge.deliver.couriers import Couriers
from alert_bridge.deliver.reading import standing
from alert_bridge.deliver.standing import Kept, kept_in
from baleen_bus import Bus
from baleen_bus.buckets import DELIVERY, stream_of, subject_of
from baleen_bus.reading import fetch_last, stream_state

REMOVED = "removed"
"""The state of a destination that the rules no longer have, while its alerts wait."""


@dataclass(frozen=True, slots=True)
class DestinationAccount:
    """One destination at one moment.

    Attributes:
        name: the destination.
        accepted: alerts stored since it is served.
        delivered: those of them that it has.
        suppressed: those that it was not to be told, by reason.
        dead: those that were given up, by reason; each is a dead letter.
        in_flight: those that the bus still counts as open.
        unaccounted: what is none of these; 0 whenever nothing moves.
        possible_duplicates: how often more than once it may have taken one.
        replayed: how those ended that were sent again by hand.
        state: running, waiting, open, stopped or removed.
        why: what it waits for.
        served_by: the replica that serves it; empty if none does.
        here: this replica does.
        at: when the account was written, ISO-8601 UTC; that of another replica is up to a second old.
    """

    name: str
    accepted: int
    delivered: int
    suppressed: Mapping[str, int]
    dead: Mapping[str, int]
    in_flight: int
    unaccounted: int
    possible_duplicates: int
    replayed: Mapping[str, int]
    state: str
    why: str
    served_by: str
    here: bool
    at: str


class Account:
    """Reads the accounts from the bus, and its own replica's from memory.

    Args:
        bus: the connection.
        couriers: what this replica serves.
        holder: the rules.
    """

    def __init__(self, bus: Bus, couriers: Couriers, holder: InForce) -> None:
        self._bus, self._couriers, self._holder = bus, couriers, holder

    async def snapshot(self) -> list[DestinationAccount]:
        """Every destination of the rules, and every one whose alerts wait though they no longer name it.

        Raises:
            Unreachable, ApiRefused: the bus cannot be asked now.
        """
        prefix = subject_of(DELIVERY, names.ACCOUNTS)
        kept = [kept_in(item.body) for item in await fetch_last(self._bus, stream_of(DELIVERY), prefix)]
        told = await asyncio.gather(*(self._of(one) for one in kept if one is not None))
        return sorted((one for one in told if one is not None), key=lambda one: one.name)

    async def _of(self, kept: Kept) -> DestinationAccount | None:
        consumer = await standing(self._bus, names.ALERTS, names.consumer_of(kept.name))
        post = self._couriers.posts.get(kept.name)
        courier = post.courier if post is not None else None
        shift = courier.shift() if courier is not None else None
        stream = await stream_state(self._bus, names.ALERTS)
        counts = kept.counts if shift is None else shift.counts
        if counts.epoch != stream.epoch:
            return None  # the stream was made anew a moment ago
        accepted = stream.last_seq - counts.since
        pending = 0 if consumer is None else consumer.pending + consumer.ack_pending
        in_flight = pending if consumer is not None else accepted - counts.ended
        state, why = str(kept.standing), kept.why
        if shift is not None:
            state, why = str(shift.standing()), shift.breaker.why
        elif courier is not None and courier.problem:
            state, why = str(Standing.WAITING), courier.problem
        if kept.name not in self._holder.rules.destinations:
            state, why = (
                REMOVED,
                "the rules no longer name it; its alerts wait until it is named or forgotten",
            )
        return DestinationAccount(
            name=kept.name,
            accepted=accepted,
            delivered=counts.delivered,
            suppressed=dict(counts.suppressed),
            dead=dict(counts.dead),
            in_flight=in_flight,
            unaccounted=accepted - counts.ended - in_flight,
            possible_duplicates=counts.possible_duplicates,
            replayed=dict(counts.replayed),
            state=state,
            why=why,
            served_by=kept.served_by,
            here=shift is not None,
            at=kept.at,
        )
