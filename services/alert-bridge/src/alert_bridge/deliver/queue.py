"""What waits to be told to one destination, and in which order. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from alert_bridge.carried import Carried
from alert_bridge.deliver.ends import End, Key, State
from alert_bridge.rules.memory import Note

OFFERED: Final = 25
"""Alerts at most from which a message is packed; no destination takes more in one."""


@dataclass(slots=True)
class Item:
    """One alert on its way.

    Attributes:
        carried: the alert.
        size: bytes of what the stream has of it.
        route: by which route of the rules it came.
        since: from when its age counts, in seconds of the epoch: when it was stored, or its digest due.
        notes: what the rules noted of it.
        attempts: requests that said it.
        doubts: those of them that may have been taken, though no answer said so.
        first_at: when the first of them was made.
        change: it edits or deletes another message.
    """

    carried: Carried
    size: int
    route: str
    since: float
    notes: tuple[Note, ...] = ()
    attempts: int = 0
    doubts: int = 0
    first_at: float | None = None
    change: bool = False

    @property
    def key(self) -> Key:
        """Under which its end is kept."""
        return self.carried.seq, self.carried.replays

    def end(
        self,
        state: State,
        reason: str | None = None,
        *,
        detail: str = "",
        status: int | None = None,
        remote_id: str | None = None,
        alone: bool = False,
        digest: bool = False,
    ) -> End:
        """Its end, with what is known of its way.

        Each try that may have been taken is a possible duplicate beside one that was; without one that was,
        each but the first.
        """
        again = self.doubts if state is State.DELIVERED else max(0, self.doubts - 1)
        return End(
            self.key,
            state,
            reason,
            self.carried,
            self.attempts,
            again,
            self.first_at,
            remote_id,
            status,
            self.route,
            alone,
            digest,
            detail,
            self.notes,
        )


@dataclass(slots=True)
class Parcel:
    """What is told in one message: one alert, which others may join unless it is ``alone``, or a digest."""

    items: list[Item]
    digest: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What the next message may be made of, in order."""

    items: tuple[Item, ...]
    digest: bool = False

    @property
    def carried(self) -> list[Carried]:
        """The alerts."""
        return [item.carried for item in self.items]


@dataclass(slots=True)
class Queue:
    """What goes out next, in order."""

    parcels: deque[Parcel] = field(default_factory=deque)

    def __len__(self) -> int:
        return sum(len(parcel.items) for parcel in self.parcels)

    def __iter__(self) -> Iterator[Item]:
        for parcel in self.parcels:
            yield from parcel.items

    def add(self, parcel: Parcel) -> None:
        """Goes last."""
        self.parcels.append(parcel)

    def offer(self) -> Offer | None:
        """What the next message may be made of; None if nothing waits."""
        if not self.parcels:
            return None
        head = self.parcels[0]
        if head.digest or head.alone:
            return Offer(tuple(head.items), head.digest)
        items: list[Item] = []
        for parcel in self.parcels:
            if parcel.digest or (parcel.alone and items) or len(items) >= OFFERED:
                break
            items += parcel.items
        return Offer(tuple(items))

    def take(self, count: int) -> list[Item]:
        """Removes the first so many alerts, a digest always whole."""
        taken: list[Item] = []
        while len(taken) < count and self.parcels:
            taken += self.parcels.popleft().items
        return taken

    def part(self, count: int) -> None:
        """Lets the first so many alerts be told one by one."""
        apart = [Parcel([item], alone=True) for item in self.take(count)]
        self.parcels.extendleft(reversed(apart))
