"""Pens and cohorts: clients that get the same frames, and what is flushed in one go. Pure.

All clients of a pen get exactly the same frames, so the pen holds one list of pending frames for all of them,
joined once per flush. A client that lags keeps its place: a flush gives it the frames to keep, where the
others are written to. A cohort is what is flushed in one go: pens of one or several lanes with at most
`COHORT_SIZE` clients, small enough that the bus is read between two cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ws_gateway.wire.parcel import Parcel

if TYPE_CHECKING:
    from ws_gateway.hub.lanes import Lane

COHORT_SIZE = 128


class Seat(Protocol):
    """What a lane needs to know of a client."""

    pen: Pen | None
    lagging: bool
    pack: Callable[[Parcel], bytes] | None
    write: Callable[[bytes], object]

    def give(self, parcels: Sequence[Parcel]) -> None:
        """Take messages, now or later."""
        ...

    def defer(self, parcels: Iterable[Parcel]) -> None:
        """Keep messages for later, because the socket does not take more now."""
        ...


class Pen:
    """Clients that get the same frames; `pending` is what they have not been sent yet."""

    __slots__ = (
        "_behind",
        "_late",
        "_packed_writes",
        "_seats",
        "_stale",
        "_writes",
        "cohort",
        "lane",
        "pending",
        "said",
    )

    def __init__(self, lane: Lane, cohort: Cohort) -> None:
        self.lane = lane
        self.cohort = cohort
        self.pending: list[Parcel] = []
        self.said = 0
        self._seats: set[Seat] = set()
        self._late: list[tuple[Seat, int]] = []
        self._writes: list[Callable[[bytes], object]] = []
        self._packed_writes: dict[Callable[[Parcel], bytes], list[Callable[[bytes], object]]] = {}
        self._behind: list[Seat] = []
        self._stale = False

    def __len__(self) -> int:
        return len(self._seats) + len(self._late)

    @property
    def behind(self) -> int:
        """How many clients were last found to lag."""
        return len(self._behind)

    @property
    def total(self) -> int:
        """How many frames this pen has been given since it exists."""
        return self.said + len(self.pending)

    def sit(self, seat: Seat) -> None:
        """Take *seat* in; it gets what comes from now on and nothing of what is already pending."""
        seat.pen = self
        self.cohort.size += 1
        if self.pending:
            self._late.append((seat, len(self.pending)))
        else:
            self._seats.add(seat)
            self._stale = True

    def rise(self, seat: Seat) -> list[Parcel]:
        """Let *seat* go and return what it has not been sent yet."""
        owed = self.pending.copy()
        if seat in self._seats:
            self._seats.discard(seat)
            self._stale = True
        else:
            offset = next(offset for late, offset in self._late if late is seat)
            self._late = [(late, since) for late, since in self._late if late is not seat]
            owed = self.pending[offset:]
        seat.pen = None
        self.cohort.size -= 1
        return owed

    def shuffle(self) -> None:
        """Note that a client fell behind or caught up, so that the next flush treats it so."""
        self._stale = True

    def flush(self) -> int:
        """Write what is pending to every client, in one buffer; return how many frames were delivered."""
        pending = self.pending
        if not pending:
            return 0
        if self._stale:
            self._sort()
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        count = len(pending) * len(self._seats)
        parcels = pending.copy() if self._behind or self._late or self._packed_writes else []
        self.said += len(pending)
        pending.clear()
        for write in self._writes:
            write(data)
        for pack, writes in self._packed_writes.items():
            data = b"".join([pack(parcel) for parcel in parcels])
            for write in writes:
                write(data)
        for seat in self._behind:
            seat.defer(parcels)
        if self._late:
            self._admit(parcels)
        return count

    def _sort(self) -> None:
        self._writes = [seat.write for seat in self._seats if not seat.lagging and seat.pack is None]
        self._packed_writes = {}
        for seat in self._seats:
            if seat.pack is not None and not seat.lagging:
                self._packed_writes.setdefault(seat.pack, []).append(seat.write)
        self._behind = [seat for seat in self._seats if seat.lagging]
        self._stale = False

    def _admit(self, parcels: list[Parcel]) -> None:
        """Give those who came since the last flush what came after them."""
        late, self._late = self._late, []
        self._stale = True
        self._seats.update(seat for seat, _ in late)
        for seat, offset in late:
            seat.give(parcels[offset:])


class Cohort:
    """Pens that are flushed in one go."""

    __slots__ = ("cost", "dirty", "flushed_at", "pens", "size")

    def __init__(self) -> None:
        self.pens: list[Pen] = []
        self.size = 0
        self.dirty = False
        self.flushed_at = 0.0
        self.cost = 0.0

    @property
    def behind(self) -> int:
        """How many clients were last found to lag, and so cost nothing to flush."""
        return sum([pen.behind for pen in self.pens])

    def flush(self) -> int:
        """Flush every pen and return how many frames were delivered."""
        return sum([pen.flush() for pen in tuple(self.pens)])  # a flush may end a client, and so a pen
