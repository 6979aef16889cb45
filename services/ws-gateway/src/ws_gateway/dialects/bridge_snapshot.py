"""How the present of the bridge's state is told: one snapshot, or a snapshot and updates behind it. Pure.

Clients in Python take no frame above 1 MiB unless told to. Of a larger state the older changes are the
snapshot, and the later ones follow as updates; what comes of it is the same.

A state that fits is kept and brought up to date, so that a snapshot costs little more than its text. One that
does not fit is laid out anew only now and then, in proportion to what that costs; in between, what is new
follows as updates too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ws_gateway.dialects.bridge_state import State, readable
from ws_gateway.event import Event
from ws_gateway.wire.frames import text_frame

MAX_BYTES: Final = 1_000_000
_FRESH_FOR: Final = 1.0
"""Seconds for which a snapshot of an unchanged state is told again."""
_SHARE: Final = 0.05
"""Of our time, what laying out large states may take."""


@dataclass(frozen=True)
class Snapshot:
    """The state, as told at one moment.

    Attributes:
        text: the JSON of the `state_snapshot`.
        rest: later messages of the state, by revision, that lead on from there.
        state: what *text* says.
    """

    text: bytes
    rest: tuple[Event, ...]
    state: State


def lay_out(events: Iterable[Event], revision: int, now: datetime, *, limit: int = MAX_BYTES) -> Snapshot:
    """Tell the state made of *events*, the last message of every path.

    Args:
        events: in any order.
        revision: of the newest message of the stream that is known.
        now: the time.
        limit: bytes of the snapshot; at least one path is in it, however large.
    """
    ordered = sorted(events, key=lambda event: event.seq)
    state, told = State(), 0
    for place, event in enumerate(ordered):
        for update in readable((event,)):
            if told and state.size + update.size > limit:
                rest = tuple(ordered[place:])
                return Snapshot(state.snapshot(told, now), rest, state)
            state.take(update)
            told = update.revision
    return Snapshot(state.snapshot(revision, now), (), state)


class Present:
    """The present as frames, made once for all who are told it."""

    def __init__(
        self,
        *,
        frame_of: Callable[[Event], bytes | None],
        all_of_state: Callable[[], Iterable[Event]],
        since: Callable[[int], Iterable[Event] | None],
        clock: Callable[[], float],
        limit: int = MAX_BYTES,
    ) -> None:
        """Know nothing yet.

        Args:
            frame_of: makes the frame of a change of state.
            all_of_state: returns the last message of every path.
            since: returns the changes of state after a revision, None where they are not at hand.
            clock: seconds that never run backwards.
            limit: bytes of a snapshot.
        """
        self._frame_of, self._all_of_state, self._since = frame_of, all_of_state, since
        self._clock, self._limit = clock, limit
        self._snapshot: Snapshot | None = None
        self._frames: list[bytes] = []
        self._revision = 0
        self._made_at = self._due = 0.0

    def forget(self) -> None:
        """Begin anew: the state is another than what was told."""
        self._snapshot = None

    def frames(self, revision: int, now: datetime) -> list[bytes]:
        """Return what tells the state as of *revision*, the newest that is known; not to be changed."""
        made, moment = self._snapshot, self._clock()
        if made is not None and revision == self._revision and moment - self._made_at <= _FRESH_FOR:
            return self._frames
        news = None if made is None else self._since(self._revision)
        if made is None or news is None or (made.rest and moment >= self._due):
            self._lay_out(revision, now)
        elif made.rest:
            self._frames = [*self._frames, *self._frames_of(news)]
        else:
            for update in readable(news):
                made.state.take(update)
            if made.state.size > self._limit:
                self._lay_out(revision, now)
            else:
                self._frames = [text_frame(made.state.snapshot(revision, now))]
        self._revision, self._made_at = revision, moment
        return self._frames

    def _lay_out(self, revision: int, now: datetime) -> None:
        began = self._clock()
        self._snapshot = made = lay_out(self._all_of_state(), revision, now, limit=self._limit)
        self._frames = [text_frame(made.text), *self._frames_of(made.rest)]
        ended = self._clock()
        self._due = ended + (ended - began) / _SHARE

    def _frames_of(self, events: Iterable[Event]) -> list[bytes]:
        return [frame for event in events if (frame := self._frame_of(event)) is not None]
