"""One contender for one lease: events in, commands out. Pure.

A lease is a key that expires. Who writes it where nothing stands has it, and keeps it by writing it again
over exactly the revision it wrote last. Time is an argument in seconds of a clock that never goes back, and
is only ever compared with itself, so that no two machines need agree on it.

Never two holders at one moment, because a holder's own deadline counts from *before* it sent the write that
the server keeps for ``length`` seconds from *after*, and ends a margin earlier. Whatever is not known counts
against the holder: an answer that did not come, a clock that went back, a value that is gone.
"""

from math import inf
from typing import Final

from baleen_bus.lease_talk import (
    Answer,
    Command,
    Delete,
    Event,
    Failed,
    Grant,
    Held,
    Hinted,
    LeaseTimes,
    Lost,
    Question,
    Quiet,
    Read,
    Refused,
    ReleaseAsked,
    Saw,
    Stopped,
    Stored,
    Touched,
    Write,
    times_for,
)
from baleen_bus.lease_value import Before, Nothing, Ours, Released, Sight, Theirs

__all__ = ["Grant", "Lease", "LeaseTimes", "times_for"]


class Lease:
    """One contender's knowledge and intentions. At most one question is out at a time."""

    def __init__(self, key: str, times: LeaseTimes) -> None:
        self.times = times
        self._key = key
        self._at = -inf
        self._grant: Grant | None = None
        self._deadline = -inf
        self._cool_until = -inf
        self._place: Sight | None = None
        """What stands under the key as far as is known; None: to be looked up."""
        self._before = Before.VACANT
        self._free_since: float | None = None
        self._seen_at = -inf
        self._wanted_since: float | None = None
        self._eager = 0.0
        self._number = 0
        self._asking: Question | None = None
        self._sent: dict[int, float] = {}
        """When each write was sent whose fate is not known."""
        self._sent_at = -inf
        self._read_due = self._write_due = self._take_from = -inf
        self._leave_until: float | None = None

    def grant_at(self, at: float) -> Grant | None:
        """The grant, if it holds at this moment. Fails closed when the clock went back."""
        return self._grant if self._at <= at < self._deadline else None

    def usable_at(self, at: float) -> bool:
        """Whether it is held and not cooling down."""
        return self.grant_at(at) is not None and at >= self._cool_until

    def cool(self, until: float) -> None:
        """Hold it, but leave it unused until then."""
        self._cool_until = until

    @property
    def leaving(self) -> bool:
        """Whether a release is under way."""
        return self._leave_until is not None

    @property
    def deadline(self) -> float | None:
        """When it ends unless renewed; None while not held."""
        return self._deadline if self._grant is not None else None

    def want(self, wanted: bool, eager: float, at: float) -> None:
        """Contend or not from now on, and wait ``eager`` seconds longer than needed before taking it."""
        self._eager = max(0.0, eager)
        if not wanted:
            self._wanted_since = None
        elif self._wanted_since is None:
            self._wanted_since = at

    def handle(self, event: Event) -> list[Command]:
        """Take one event and say what to do now."""
        told: list[Command] = []
        if event.at < self._at:
            told += self._distrust_all_times(event.at)
        self._at = event.at
        if self._grant is not None and self._at >= self._deadline:
            told += self._lose("it was not renewed in time")
        told += self._note(event)
        if self._asking is None:
            told += self._next()
        return told

    def _note(self, event: Event) -> list[Command]:
        match event:
            case Saw() | Stored() | Refused() | Failed():
                return self._answered(event)
            case Quiet():
                self._note_quiet(event.seconds)
            case Touched() if self._grant is not None:
                self._write_due = min(self._write_due, max(self._at, self._sent_at + self.times.pace))
            case Hinted():
                self._read_due = self._at
            case ReleaseAsked():
                self._start_leaving()
            case Stopped():
                return self._lose(event.reason)
            case _:  # time passed
                pass
        return []

    def wake_at(self) -> float:
        """When :class:`TimePassed` is wanted at the latest."""
        deadline = self._deadline if self._grant is not None else inf
        if self._asking is not None:
            return deadline
        if self._leave_until is not None:
            return min(self._leave_until, self._read_due if self._place is None else self._write_due)
        if self._grant is None:
            return min(self._read_due, inf if self._place is None else self._takeable_at())
        return min(deadline, self._read_due, inf if self._place is None else self._write_due)

    def _next(self) -> list[Command]:
        """The next question, if one is due."""
        place, at = self._place, self._at
        if self._leave_until is not None:
            if isinstance(place, Ours) and at < self._leave_until:
                return [self._ask(Delete(self._number + 1, place.revision))] if at >= self._write_due else []
            if place is None and at < self._leave_until:
                return [self._ask(Read(self._number + 1))] if at >= self._read_due else []
            self._leave_until = None
        if at >= self._read_due:
            return [self._ask(Read(self._number + 1))]
        if self._grant is not None and place is not None and at >= self._write_due:
            return [self._ask(Write(self._number + 1, _last(place), self._grant.before, self._grant.epoch))]
        if self._grant is None and place is not None and at >= self._takeable_at():
            return [self._ask(Write(self._number + 1, _last(place), self._before, 0))]
        return []

    def _ask(self, question: Question) -> Question:
        self._number = question.number
        self._asking = question
        if isinstance(question, Write):
            self._sent = {n: at for n, at in self._sent.items() if self._at < at + self.times.length}
            self._sent[question.number] = self._sent_at = self._at
            self._write_due = self._at + self.times.renew
        return question

    def _takeable_at(self) -> float:
        """From when on it may be taken, as far as is known."""
        if self._wanted_since is None:
            return inf
        if isinstance(self._place, Ours):
            return self._take_from
        if self._free_since is None or not isinstance(self._place, Nothing | Released):
            return inf
        # A holder that did not let go may be frozen with its socket open: its peer gets a margin to notice.
        wait = 0.0 if self._before is Before.RELEASED else self.times.margin
        return max(max(self._free_since + wait, self._wanted_since) + self._eager, self._take_from)

    def _answered(self, event: Answer) -> list[Command]:
        asked = self._asking
        if asked is None or asked.number != event.number:
            return []  # of a question that was given up
        self._asking = None
        match event:
            case Saw():
                return self._note_sight(event.sight)
            case Stored() if isinstance(asked, Delete):
                self._note_released(event.revision)
            case Stored():
                return self._note_stored(event)
            case Refused():
                self._note_refused(event.number)
            case Failed():
                self._note_failed(asked)
        return []

    def _note_stored(self, event: Stored) -> list[Command]:
        self._place = Ours(event.revision, event.number)
        sent = self._sent.get(event.number)
        self._sent.clear()  # whatever else is under way expects a revision that is gone
        return self._note_own(sent)

    def _note_own(self, sent: float | None) -> list[Command]:
        """Our value stands there; ``sent``: when it was sent, if that is known."""
        self._read_due = inf if self._grant is not None else self._at + self.times.poll
        good_until = -inf if sent is None else self._good_until(sent)
        if self._leave_until is not None:
            return []
        if self._grant is not None:
            self._deadline = max(self._deadline, good_until)
            return []
        if self._at >= good_until:
            return []  # too late to count upon; it is taken anew, over this very revision
        if self._wanted_since is None:
            self._start_leaving()
            return []
        assert isinstance(self._place, Ours)  # noqa: S101 - said by both callers
        self._grant = Grant(self._key, self._place.revision, self._before)
        self._deadline, self._cool_until, self._read_due = good_until, -inf, inf
        self._free_since = None
        return [Held(self._grant)]

    def _note_sight(self, sight: Sight) -> list[Command]:
        unwatched = self._at - self._seen_at > self.times.margin
        self._seen_at = self._at
        pause = self.times.poll if self._wanted_since is not None else self.times.length / 6
        self._read_due = self._at + pause
        if isinstance(sight, Ours):
            if not isinstance(self._place, Ours) or self._place.revision <= sight.revision:
                self._place = sight  # a look may be behind what we know, and then says nothing
            return self._note_own(self._sent.get(sight.number))
        told = self._lose(_WHY_LOST[type(sight)]) if self._grant is not None else []
        self._read_due = self._at + pause
        match sight:
            case Theirs():
                self._before, self._free_since = Before.EXPIRED, None
            case Released():
                if self._place != sight:
                    self._before, self._free_since = Before.RELEASED, self._at
            case Nothing():
                if unwatched and self._before is Before.RELEASED:
                    self._before = Before.EXPIRED  # another may have come and gone unseen
                if unwatched or self._free_since is None or isinstance(self._place, Theirs | Ours):
                    self._free_since = self._at
        self._place = sight
        return told

    def _note_released(self, revision: int) -> None:
        self._leave_until = None
        self._place, self._before = Released(revision), Before.RELEASED
        self._free_since, self._read_due = self._at, self._at + self.times.poll
        self._sent.clear()

    def _note_refused(self, number: int) -> None:
        self._sent.pop(number, None)
        self._place, self._free_since = None, None
        if self._grant is None:
            self._before = Before.EXPIRED
        self._read_due = self._at
        self._write_due = self._take_from = self._at + self.times.retry

    def _note_failed(self, asked: Question) -> None:
        again = self._at + self.times.retry
        if isinstance(asked, Read):
            self._read_due = again
        elif isinstance(asked, Delete) or self._grant is not None:
            self._write_due = again
        else:
            self._place, self._read_due = None, again

    def _note_quiet(self, seconds: float) -> None:
        """Whatever stood in the bucket has expired if nobody wrote for longer than values live."""
        if self._place is None and self._number == 0 and seconds >= self.times.length:
            self._place, self._free_since = Nothing(), self._at - (seconds - self.times.length)
            self._seen_at = self._at

    def _start_leaving(self) -> None:
        mine = self._grant is not None or isinstance(self._place, Ours) or isinstance(self._asking, Write)
        if mine or self._sent:
            self._grant = None
            self._leave_until = self._at + self.times.length
            self._write_due = self._read_due = self._at

    def _lose(self, reason: str) -> list[Command]:
        if self._grant is None:
            return []
        self._grant = None
        self._before, self._free_since, self._read_due = Before.EXPIRED, None, self._at
        return [Lost(reason)]

    def _distrust_all_times(self, at: float) -> list[Command]:
        """The clock went back: nothing that was measured with it can be compared any more."""
        told = self._lose("the clock went back")
        self._sent.clear()
        self._free_since = None
        self._seen_at = self._sent_at = self._take_from = -inf
        self._read_due = self._write_due = at
        self._wanted_since = at if self._wanted_since is not None else None
        if self._leave_until is not None:
            self._leave_until = at + self.times.length
        return told

    def _good_until(self, sent: float) -> float:
        return sent + self.times.usable


_WHY_LOST: Final = {
    Theirs: "somebody else wrote it",
    Released: "somebody released it",
    Nothing: "it is gone from the bus",
}


def _last(place: Sight) -> int:
    return 0 if isinstance(place, Nothing) else place.revision
