"""The hub: every message goes in once, ready frames go out to everyone who wants them.

Per message: the lanes are looked up (remembered per subject), each dialect's frame is made once and appended
to the lists of pending frames; nothing is awaited and no client is touched. The sweep does the writing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from baleen_contracts.catalogue import CATALOGUE, Delivery
from ws_gateway.dialects import Dialect
from ws_gateway.errors import Behind, Dropped, Farewell, Refusal
from ws_gateway.event import Event
from ws_gateway.hub.laggards import Laggards, Patience
from ws_gateway.hub.lanes import Cohort, Lanes
from ws_gateway.hub.session import Session as Session  # noqa: PLC0414 - whoever talks to the hub names both
from ws_gateway.hub.stats import ConnectionStats, HubStats, WireFigures, figures_of
from ws_gateway.hub.sweep import Sweep
from ws_gateway.hub.wishes import Verdicts, Wish
from ws_gateway.topics import overlap
from ws_gateway.wire.deflate import Packer
from ws_gateway.wire.frames import close_frame, close_words, text_frame
from ws_gateway.wire.inbox import FRAMES_PER_SECOND
from ws_gateway.wire.parcel import Books, Parcel
from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)

_LATEST: Final = frozenset(entity.name for entity in CATALOGUE if entity.delivery is Delivery.LATEST)


class Hub:
    """All clients and all lanes."""

    def __init__(
        self,
        patience: Patience | None = None,
        *,
        pack_from: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Make a hub in the running event loop.

        Args:
            patience: how slow a client may be.
            pack_from: the smallest frame, in bytes, that is made smaller for clients that agreed to it.
            clock: seconds that never run backwards.
        """
        patience = patience or Patience()
        self.now = clock
        self._born = clock()
        self.wires: set[Wire] = set()
        self.client_limit, self.total_limit = patience.client_bytes, patience.total_bytes
        self.frames_per_second = FRAMES_PER_SECOND
        self.books = Books()
        self.pack: Callable[[Parcel], bytes] = Packer(pack_from).packed
        self.laggards = Laggards(self, patience)
        self.lanes = Lanes()
        self.sweep = Sweep(asyncio.get_running_loop(), clock)
        self.by_label: Counter[str] = Counter()
        self.connects = self.disconnects = self.encoded = 0
        self.refusals: Counter[Refusal] = Counter()
        self.farewells: Counter[tuple[int, Farewell]] = Counter()
        self.dropped: Counter[Dropped] = Counter()
        self.on_lost: Callable[[Wire], object] = _nobody_minds
        """Called with every wire whose connection ended, admitted or not."""

    def __len__(self) -> int:
        return len(self.wires)

    def close(self) -> None:
        """Stop every timer."""
        self.sweep.close()
        self.laggards.close()

    # A message comes in.

    def publish(self, event: Event) -> None:
        """Give *event* to everyone who wants it."""
        verdicts = None
        for dialect, appends, cohorts, branches in self.lanes.routes(event.subject):
            if appends:
                self._deliver(self.frame(dialect, event), appends, cohorts)
            if branches:
                verdicts = verdicts or Verdicts(event)
                for branch in branches:
                    if verdicts.any_of(branch.filters):
                        self._deliver(self.frame(dialect, event), branch.appends, branch.cohorts)
                if not verdicts.possible:
                    self.frame(dialect, event)  # which says and counts why nobody gets it

    def _deliver(
        self, parcel: Parcel | None, appends: Iterable[Callable[[Parcel], None]], cohorts: Iterable[Cohort]
    ) -> None:
        if parcel is None:
            return
        for append in appends:
            append(parcel)
        for cohort in cohorts:
            if not cohort.dirty:
                self.sweep.mark(cohort)

    def frame(self, dialect: Dialect, event: Event) -> Parcel | None:
        """Return the ready frame of *event* in *dialect*, made once; None where there is nothing to show."""
        frames: dict[str, Any] = event.frames
        name = dialect.name
        if name in frames:
            known: Parcel | None = frames[name]
            return known
        try:
            text = dialect.encode(event)
        except Exception as error:  # noqa: BLE001 - whatever one dialect stumbles over, the others say it
            self._unsayable(dialect, event, error)
            text = None
        self.encoded += 1
        parcel = None
        if text is not None:
            parcel = Parcel(_framed(dialect, text), self.now(), event, latest=event.entity in _LATEST)
        frames[name] = parcel
        return parcel

    def _unsayable(self, dialect: Dialect, event: Event, error: Exception) -> None:
        """Count a message that a dialect cannot say; a flood of them makes ever fewer log lines."""
        self.dropped[Dropped.UNSAYABLE] += 1
        count = self.dropped[Dropped.UNSAYABLE]
        if count & (count - 1) == 0:
            said = {"dialect": dialect.name, "subject": event.subject, "reason": repr(error)}
            log.warning("message cannot be said", count=count, **said)

    def announce(
        self, dialect: Dialect, patterns: Collection[str], frame_for: Callable[[list[str]], bytes]
    ) -> None:
        """Give one frame to every lane of *dialect* that wants any of *patterns*, in order with messages.

        Args:
            dialect: who is told.
            patterns: what it is about.
            frame_for: makes the JSON text from the topics of a lane that it is about.
        """
        for lane in self.lanes.speaking(dialect.name):
            hit = [topic for topic in lane.topics if any(overlap(topic, pattern) for pattern in patterns)]
            if not hit:
                continue
            parcel = Parcel(_framed(dialect, frame_for(hit)), self.now())
            for pen in lane.pens:
                pen.pending.append(parcel)
                if not pen.cohort.dirty:
                    self.sweep.mark(pen.cohort)

    # Clients come and go.

    def admit(self, wire: Wire, wishes: frozenset[Wish], first: Sequence[bytes]) -> None:
        """Take in an accepted client: say the frames *first*, then every later message of *wishes*."""
        session: Session = wire.session
        wire.connected_at = time.time()
        wire.number = self.connects
        self.wires.add(wire)
        self.connects += 1
        self.by_label[session.label] += 1
        self.move(wire, wishes, first)

    def move(self, wire: Wire, wishes: frozenset[Wish], between: Sequence[bytes] = ()) -> None:
        """Give a client other wishes; *between* is said after the old frames and before the new.

        A message that several wishes mean comes once. A client that fell behind and has not yet read the rest
        is only told *between*: it is seated by the `move` that follows its session's `drained`.

        Args:
            wire: the client.
            wishes: all it wants from now on.
            between: ready frames, kept by reference until the client has read them.
        """
        wire.give(self.take_off(wire))
        if between:
            wire.show(between)
        session: Session = wire.session
        if wishes and not wire.closing and not wire.behind:
            self.lanes.join(wire, session.dialect, wishes)
            if wire.pen is not None:
                wire.counted_from = wire.pen.total

    def end(self, wire: Wire, reason: Farewell, particular: str | None = None) -> None:
        """Close a client with the code and the words of its own dialect.

        Args:
            wire: the client.
            reason: why.
            particular: words for this case alone, in place of the usual ones.
        """
        if wire.closing:
            return
        self.take_off(wire)
        session: Session = wire.session
        now = datetime.now(UTC)
        code, words, last = session.farewell(reason, now, particular)
        self.farewells[code, reason] += 1
        wire.close(code, close_words(words), last)

    def heard(self, wire: Wire, text: str) -> None:
        """Pass on what a client said."""
        session: Session = wire.session
        try:
            session.heard(wire, text)
        except Exception:
            log.exception("a client's text could not be answered", dialect=session.dialect.name)
            wire.say(self.refused(wire, Refusal.BAD_REQUEST))

    def refused(self, wire: Wire, refusal: Refusal, message: str = "") -> bytes:
        """Count what cannot be obeyed and return the frame that tells the client."""
        self.refusals[refusal] += 1
        session: Session = wire.session
        words = message or _WORDS.get(refusal, refusal.value)
        return text_frame(session.dialect.error(refusal.value, words, datetime.now(UTC)))

    def broken(self, wire: Wire, refusal: Refusal, standard: int) -> bytes:
        """Count a client that broke the WebSocket protocol; return the error frame and the close frame."""
        self.take_off(wire)
        session: Session = wire.session
        if refusal is Refusal.TOO_OFTEN:
            self.refusals[refusal] += 1
            code, words, last = session.farewell(Farewell.TOO_OFTEN, datetime.now(UTC))
            self.farewells[code, Farewell.TOO_OFTEN] += 1
            return last + close_frame(code, words)
        code = session.code_of_broken(standard)
        self.farewells[code, Farewell.BAD_FRAME] += 1
        return self.refused(wire, refusal) + close_frame(code, refusal.value)

    def overflowed(self, wire: Wire) -> None:
        """Drop what waits for a client that reads too slowly; the others never wait for it."""
        self.laggards.fall(wire, Behind.BYTES)

    def crowded(self) -> None:
        """Let the worst of those that read too slowly fall behind."""
        self.laggards.crowded()

    def conflated(self, session: Session, subject: str, count: int) -> bytes:
        """Return the frame that says how many messages of *subject* were passed over for a newer one."""
        say = getattr(session.dialect, "conflated", None)  # the seeds' dialects have no word for it
        return _framed(session.dialect, say(subject, count) or b"") if say is not None else b""

    def drained(self, wire: Wire) -> None:
        """Tell the conversation of a client that fell behind that it has read the rest."""
        session: Session = wire.session
        try:
            session.drained(wire)
        except Exception:
            log.exception("a client could not catch up", dialect=session.dialect.name)
            self.end(wire, Farewell.TOO_SLOW)

    def parted(self, wire: Wire) -> None:
        """Give nothing more to a client that said goodbye; it is counted until its connection ends."""
        self.take_off(wire)

    def lost(self, wire: Wire) -> None:
        """Forget a client whose connection ended."""
        self.take_off(wire)
        self.on_lost(wire)
        if wire in self.wires:
            self.wires.discard(wire)
            self.disconnects += 1
            session: Session = wire.session
            self.by_label[session.label] -= 1
            if not self.by_label[session.label]:
                del self.by_label[session.label]

    def take_off(self, wire: Wire) -> list[Parcel]:
        """Take a client off its lane and return what it has not been sent yet."""
        if wire.pen is not None:
            wire.said += wire.pen.total - wire.counted_from
        owed, empty = self.lanes.leave(wire)
        if empty is not None:
            self.sweep.forget(empty)
        return owed

    # What it did.

    def message_count(self, wire: Wire) -> int:
        """Return how many bus messages a client has been given, or is about to be."""
        given = wire.said + (wire.pen.total - wire.counted_from if wire.pen is not None else 0)
        return given - wire.backlog.conflated - wire.backlog.skipped

    def buffered(self) -> int:
        """Return the bytes that wait for clients which read too slowly."""
        return sum(
            wire.backlog.live + wire.transport.get_write_buffer_size() for wire in self.wires if wire.lagging
        )

    def find(self, name: str) -> Wire | None:
        """Return the client whose id is *name*."""
        return next((wire for wire in self.wires if wire.id == name), None)

    def describe(self, wire: Wire) -> WireFigures:
        """Return how a client stands."""
        session: Session = wire.session
        return figures_of(wire, session.label, self.message_count(wire), self.now())

    def stats(self) -> HubStats:
        """Return counts by label and the connections, for the statistics routes."""
        return HubStats(
            by_label=dict(self.by_label),
            connects=self.connects,
            disconnects=self.disconnects,
            messages=self.sweep.delivered,
            uptime=self.now() - self._born,
            connections=tuple(
                ConnectionStats(
                    wire.session.label,
                    datetime.fromtimestamp(wire.connected_at, UTC),
                    self.message_count(wire),
                )
                for wire in self.wires
            ),
        )


def _framed(dialect: Dialect, text: bytes) -> bytes:
    """Return what is written to say *text*: a WebSocket frame, unless the dialect is spoken elsewhere."""
    wrap: Callable[[bytes], bytes] = getattr(dialect, "wrap", text_frame)
    return wrap(text)


def _nobody_minds(_wire: Wire) -> None:
    """Do nothing."""


_WORDS = {
    Refusal.BINARY: "send text frames; binary frames are not read",
    Refusal.NOT_UTF8: "a text frame must be UTF-8",
    Refusal.TOO_LARGE: "the frame is larger than the gateway reads",
    Refusal.PROTOCOL: "the WebSocket protocol was broken",
    Refusal.BAD_REQUEST: "the request cannot be obeyed",
}
