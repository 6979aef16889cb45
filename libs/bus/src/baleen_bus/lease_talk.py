"""What a lease and its shell say to each other: times, events, commands. Pure."""

from dataclasses import dataclass
from typing import Final

from baleen_bus.lease_value import Before, Sight

_KNOWN_TIMES: Final = {6.0: (1.0, 1.5), 15.0: (2.0, 3.0)}


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds: how long the server keeps a value, how often it is renewed, how early a holder stops."""

    length: float
    renew: float
    margin: float

    @property
    def poll(self) -> float:
        """Between two looks at a lease that is wanted and not held."""
        return min(0.5, self.length / 12)

    @property
    def retry(self) -> float:
        """Before something that failed is tried again."""
        return min(0.25, self.renew / 4)

    @property
    def pace(self) -> float:
        """At least this long between two renewals, however much there is to tell."""
        return self.renew / 20

    @property
    def patience(self) -> float:
        """For one answer: short enough for a few tries before the deadline."""
        return min(2.0, max(0.25, self.usable / 3))

    @property
    def usable(self) -> float:
        """How long after it was sent a write is good for."""
        return self.length - self.margin


def times_for(length: float) -> LeaseTimes:
    """The times that belong to a lease kept this many seconds.

    Raises:
        ValueError: a lease that never expires could never be taken over.
    """
    if length <= 0:
        raise ValueError("the bucket of the leases must let its values expire")
    renew, margin = _KNOWN_TIMES.get(length, (length / 6, length / 4))
    return LeaseTimes(length, renew, margin)


@dataclass(frozen=True, slots=True)
class Grant:
    """The lease is held. ``epoch`` grows with every time that anybody takes it."""

    key: str
    epoch: int
    before: Before


@dataclass(frozen=True, slots=True)
class Read:
    """Look what stands under the key."""

    number: int


@dataclass(frozen=True, slots=True)
class Write:
    """Write over exactly this revision (0: over nothing). ``epoch`` 0: to take the lease."""

    number: int
    last: int
    before: Before
    epoch: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Put the mark of a release over exactly this revision."""

    number: int
    last: int


@dataclass(frozen=True, slots=True)
class Held:
    """The lease is ours from now on."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease is ours no more: stop at once what it allowed."""

    reason: str


Question = Read | Write | Delete
Command = Question | Held | Lost


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened."""

    at: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was written to the whole bucket for this long."""

    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Saw:
    """The answer to a read."""

    number: int
    sight: Sight
    at: float


@dataclass(frozen=True, slots=True)
class Stored:
    """A write or delete was stored under this revision."""

    number: int
    revision: int
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A write or delete was not stored, and never will be: something else stands there."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer: it was stored, or was not, or will yet be."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Touched:
    """There is something new to tell."""

    at: float


@dataclass(frozen=True, slots=True)
class Hinted:
    """Somebody changed the key."""

    at: float


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """The holder has stopped what the lease allowed, and lets it go."""

    at: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The contender cannot go on: whatever it holds ends now."""

    reason: str
    at: float


Answer = Saw | Stored | Refused | Failed
Event = TimePassed | Quiet | Answer | Touched | Hinted | ReleaseAsked | Stopped
