"""One destination's round: which of its alerts is told next, what waits, and how each ends. Pure.

Alerts come in the order of the stream. Each is decided, and then is open until it ends: at once if it is
suppressed, else it waits in the queue, or in a group until the group is due. A sender takes what is offered,
says when it begins, and hands back the verdict. Every alert ends exactly once.
"""

from __future__ import annotations

from typing import Final

from alert_bridge.carried import Carried
from alert_bridge.changes import changes
from alert_bridge.deliver.ends import End, Key, State
from alert_bridge.deliver.held import Held
from alert_bridge.deliver.queue import Item, Offer, Parcel, Queue
from alert_bridge.destinations.destination import Delivered, Later, Rejected
from alert_bridge.reasons import Dead, Suppressed, Wait
from alert_bridge.rules.decide import Decision, Hold, Send, Suppress
from alert_bridge.rules.memory import Note

MOST: Final = 1_000
"""Alerts that may be open at a time."""
MOST_BYTES: Final = 32 << 20
_PRESSED: Final = 0.9
"""How full it is when groups have to go early, if it is they that fill it."""


class Round:
    """What one destination has open.

    Args:
        give_up_after: seconds; what is older is dead.
        at_most_once: what may have been taken is not told again.
        most: alerts that may be open.
        most_bytes: bytes of them; at least one may be open, whatever its size.
    """

    def __init__(
        self,
        *,
        give_up_after: float,
        at_most_once: bool = False,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.released_early = 0
        """Alerts told before their time since they filled the round."""
        self._give_up_after = give_up_after
        self._at_most_once = at_most_once
        self._most = most
        self._most_bytes = most_bytes
        self._open: dict[Key, int] = {}
        self._bytes = 0
        self._queue = Queue()
        self._held = Held()
        self._frozen = 0
        """How many alerts of the queue the message holds that is sent, or was and will be again."""
        self._flying = False

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: Key) -> bool:
        return key in self._open

    @property
    def room(self) -> int:
        """How many more alerts may be taken."""
        return 0 if self._bytes >= self._most_bytes else max(0, self._most - len(self._open))

    @property
    def held(self) -> int:
        """How many wait for their group to be due."""
        return len(self._held)

    @property
    def waiting_for(self) -> Wait | None:
        """Why the next one in a group waits, where nothing else does."""
        return None if self._queue.parcels else self._held.why

    def take(
        self,
        carried: Carried,
        decision: Decision,
        *,
        size: int,
        now: float,
        came: float,
        doubts: int = 0,
    ) -> list[End]:
        """Takes the next alert with what the rules decided.

        Args:
            carried: the alert.
            decision: what the rules say of it.
            size: its bytes.
            now: seconds of the epoch.
            came: when it was received, as the rules have it.
            doubts: how often senders that died may have told it.

        Raises:
            ValueError: it is open already.
        """
        key = (carried.seq, carried.replays)
        if key in self._open:
            raise ValueError(f"{key} is open already")
        item = Item(carried, size, _route(decision), carried.stored_at.timestamp(), _notes(decision))
        item.doubts = doubts
        item.change = changes(carried.alert)
        self._open[key] = size
        self._bytes += size
        if isinstance(decision, Suppress):
            return self._close([item.end(State.SUPPRESSED, decision.reason, detail=decision.detail)])
        if doubts and self._at_most_once:
            return self._close([_unknown(item)])
        if isinstance(decision, Hold):
            self._hold(item, decision, now, came)
        else:
            self._queue.add(Parcel([item], alone=item.change))
        return []

    def tick(self, now: float) -> list[End]:
        """Releases the groups that are due, and gives up what is too old."""
        for parcel in self._held.release_due(now):
            self._queue.add(parcel)
        ends: list[End] = []
        while not self._flying and self._queue.parcels:
            items = self._queue.parcels[0].items
            if min(item.since for item in items) + self._give_up_after > now:
                break
            self._frozen = 0
            digest = self._queue.parcels[0].digest
            ends += [
                item.end(
                    State.DEAD, Dead.TOO_OLD, digest=digest, detail=f"older than {self._give_up_after:g} s"
                )
                for item in self._queue.take(len(items))
            ]
        return self._close(ends)

    def next_due(self) -> float | None:
        """When `tick` has something to do, if nothing else happens before."""
        due = self._held.next_due()
        if not self._queue.parcels or self._flying:
            return due
        old = min(item.since for item in self._queue.parcels[0].items) + self._give_up_after
        return old if due is None else min(due, old)

    def offer(self) -> Offer | None:
        """What the next message may be made of; the same alerts until it is known what became of it."""
        offer = self._queue.offer()
        if offer is None or not self._frozen:
            return offer
        return Offer(offer.items[: self._frozen], offer.digest)

    @property
    def retries(self) -> bool:
        """Whether the next message was sent before, and must be the same."""
        return self._frozen > 0

    def begin(self, count: int, now: float) -> list[Item]:
        """A message of the first *count* alerts is about to be sent; returns them."""
        offer = self.offer()
        if offer is None or not 0 < count <= len(offer.items) or self._flying:
            raise ValueError(f"{count} alerts were not offered")
        self._frozen, self._flying = count, True
        items = list(offer.items[:count])
        for item in items:
            item.attempts += 1
            item.first_at = now if item.first_at is None else item.first_at
        return items

    def delivered(self, verdict: Delivered) -> list[End]:
        """The message arrived."""
        digest, items = self._landed()
        alone = len(items) == 1 and not digest
        return self._close(
            [
                item.end(
                    State.DELIVERED,
                    status=verdict.status,
                    remote_id=verdict.remote_id,
                    alone=alone,
                    digest=digest,
                )
                for item in items
            ]
        )

    def later(self, verdict: Later) -> list[End]:
        """It did not, and will be sent again, unless it may have been taken where once is the most."""
        maybe = verdict.why is Wait.NO_ANSWER
        if maybe and self._at_most_once:
            _, items = self._landed()
            for item in items:
                item.doubts += 1
            return self._close([_unknown(item, verdict) for item in items])
        self._flying = False
        for item in self._first(self._frozen):
            item.doubts += maybe
        return []

    def rejected(self, verdict: Rejected) -> list[End]:
        """It never will: each of its alerts is tried alone, and one that was alone, or a digest, is dead."""
        digest, count = self._queue.parcels[0].digest, self._frozen
        if count > 1 and not digest:
            self._frozen, self._flying = 0, False
            self._queue.part(count)
            return []
        _, items = self._landed()
        return self._close(
            [
                item.end(
                    State.DEAD, Dead.REJECTED, detail=verdict.detail, status=verdict.status, digest=digest
                )
                for item in items
            ]
        )

    def nothing_to_change(self, detail: str) -> list[End]:
        """The alert that was begun deletes a message that this destination does not have."""
        _, items = self._landed()
        reason = Suppressed.NOTHING_TO_CHANGE
        return self._close([item.end(State.SUPPRESSED, reason, detail=detail) for item in items])

    def withdraw(self, seq: int) -> list[End]:
        """The sender of an alert deleted it: one that is held for later is not told."""
        item = self._held.withdraw((seq, 0))
        if item is None:
            return []
        return self._close([item.end(State.SUPPRESSED, Suppressed.WITHDRAWN, detail="its sender deleted it")])

    def again(self) -> None:
        """It was surely not taken, and is sent again at once in another form."""
        self._flying = False

    def stopped(self) -> None:
        """It was not taken, and nothing is until somebody acts; then the message is made anew."""
        self._frozen, self._flying = 0, False

    def _hold(self, item: Item, decision: Hold, now: float, came: float) -> None:
        released = self._held.add(item, decision, now=now, came=came)
        for parcel in released:
            self._queue.add(parcel)
        if not released and len(self._open) >= _PRESSED * self._most and 2 * self.held >= len(self._open):
            parcel = self._held.release_largest(now)
            self.released_early += len(parcel.items)
            self._queue.add(parcel)

    def _landed(self) -> tuple[bool, list[Item]]:
        """Takes what was sent out of the queue."""
        if not self._flying:
            raise ValueError("nothing was sent")
        digest = self._queue.parcels[0].digest
        items = self._queue.take(self._frozen)
        self._frozen, self._flying = 0, False
        return digest, items

    def _first(self, count: int) -> list[Item]:
        offer = self._queue.offer()
        return [] if offer is None else list(offer.items[:count])

    def _close(self, ends: list[End]) -> list[End]:
        for end in ends:
            self._bytes -= self._open.pop(end.key)
        return ends


def _route(decision: Decision) -> str:
    return decision.route or ""


def _notes(decision: Decision) -> tuple[Note, ...]:
    return decision.notes if isinstance(decision, Send | Hold) else ()


def _unknown(item: Item, verdict: Later | None = None) -> End:
    detail = "it was sent, and nobody knows whether it arrived"
    status = verdict.status if verdict is not None else None
    return item.end(State.DEAD, Dead.UNKNOWN, detail=detail, status=status)
