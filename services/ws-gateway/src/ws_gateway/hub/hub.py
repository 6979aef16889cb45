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

import structlog

from ws_gateway.dialects import Dialect
from ws_gateway.errors import Behind, Dropped, Farewell, Refusal
from ws_gateway.event import Event
from ws_gateway.hub.laggards import Laggards, Patience
from ws_gateway.hub.lanes import Branch, Lanes
from ws_gateway.hub.pens import Cohort
from ws_gateway.hub.phrases import Phrases, framed
from ws_gateway.hub.roster import Roster
from ws_gateway.hub.session import Session as Session  # noqa: PLC0414 - whoever talks to the hub names both
from ws_gateway.hub.sweep import Sweep
from ws_gateway.hub.wishes import Verdicts, Wish
from ws_gateway.topics import overlap
from ws_gateway.wire.deflate import Packer
from ws_gateway.wire.frames import close_frame, close_words, text_frame
from ws_gateway.wire.inbox import FRAMES_PER_SECOND
from ws_gateway.wire.parcel import Books, Parcel
from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)


class Hub(Roster):
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
        super().__init__(clock)
        patience = patience or Patience()
        self.client_limit, self.total_limit = patience.client_bytes, patience.total_bytes
        self.frames_per_second = FRAMES_PER_SECOND
        self.books = Books()
        self.pack: Callable[[Parcel], bytes] = Packer(pack_from).packed
        self.laggards = Laggards(self, patience)
        self.lanes = Lanes()
        self.sweep = Sweep(asyncio.get_running_loop(), clock)
        self.refusals: Counter[Refusal] = Counter()
        self.farewells: Counter[tuple[int, Farewell]] = Counter()
        self.dropped: Counter[Dropped] = Counter()
        self.phrases = Phrases(self.now, self.dropped)
        self.frame = self.phrases.frame
        self.on_lost: Callable[[Wire], object] = _nobody_minds
        """Called with every wire whose connection ended, admitted or not."""

    @property
    def encoded(self) -> int:
        """How many frames were made; each is shared by all its readers."""
        return self.phrases.encoded

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
                parcel = self.frame(dialect, event)
                if parcel is not None:
                    for append in appends:
                        append(parcel)
                    self._mark(cohorts)
            if branches:
                verdicts = verdicts or Verdicts(event)
                self._publish_under(branches, dialect, event, verdicts)

    def _publish_under(
        self, branches: Iterable[Branch], dialect: Dialect, event: Event, verdicts: Verdicts
    ) -> None:
        """Give *event* to those who want it under a condition."""
        if not verdicts.possible:
            self.frame(dialect, event)  # which says and counts why nobody gets it
        for filters, appends, cohorts in branches:
            parcel = self.frame(dialect, event) if verdicts.any_of(filters) else None
            if parcel is not None:
                for append in appends:
                    append(parcel)
                self._mark(cohorts)

    def _mark(self, cohorts: Iterable[Cohort]) -> None:
        for cohort in cohorts:
            if not cohort.dirty:
                self.sweep.mark(cohort)

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
            parcel = Parcel(framed(dialect, frame_for(hit)))
            for pen in lane.pens:
                pen.pending.append(parcel)
                if not pen.cohort.dirty:
                    self.sweep.mark(pen.cohort)

    # Clients come and go.

    def admit(self, wire: Wire, wishes: frozenset[Wish], first: Sequence[bytes]) -> None:
        """Take in an accepted client: say the frames *first*, then every later message of *wishes*."""
        self.enter(wire)
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
        return self.phrases.conflated(session.dialect, subject, count)

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
        self.leave(wire)
        stop = getattr(wire.session, "stop", None)  # for those alone that read streams for a client
        if stop is not None:
            stop()

    def take_off(self, wire: Wire) -> list[Parcel]:
        """Take a client off its lane and return what it has not been sent yet."""
        if wire.pen is not None:
            wire.said += wire.pen.total - wire.counted_from
        owed, empty = self.lanes.leave(wire)
        if empty is not None:
            self.sweep.forget(empty)
        return owed


def _nobody_minds(_wire: Wire) -> None:
    """Do nothing."""


_WORDS = {
    Refusal.BINARY: "send text frames; binary frames are not read",
    Refusal.NOT_UTF8: "a text frame must be UTF-8",
    Refusal.TOO_LARGE: "the frame is larger than the gateway reads",
    Refusal.PROTOCOL: "the WebSocket protocol was broken",
    Refusal.BAD_REQUEST: "the request cannot be obeyed",
}
