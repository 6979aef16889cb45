"""Whether a channel that changes its socket was covered all the time.

Pure. Make before break: the new socket joins while the old one still brings the channel. Then nothing is
missed, provided that the old holder said on the bus all that it had heard. A lease that was released says
so; one that expired says the opposite. Until that is known the handover is in doubt, and a doubt that turns
out badly is a hole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

OUTDATED = 0  # the epoch of a slot that nobody holds


@dataclass(frozen=True, slots=True)
class Sight:
    """What a lease says of its slot.

    ``brings`` are the channels that its open socket brings now, ``owes`` those that it does not bring any
    more and whose last frames are not said yet, ``dropped`` those that it brought until it was closed.
    ``clean`` tells, of a slot that nobody holds or that somebody holds anew, whether the holder before
    released it; ``flows`` whether data came lately; ``ours`` whether this process holds it.
    """

    epoch: int = OUTDATED
    flows: bool = False
    brings: frozenset[str] = frozenset()
    owes: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    clean: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """A channel that this process took over from another slot, whose holder may still fail to say its part.

    ``since`` is when the newest message happened that the bus had then; ``at`` is when our own join was
    accepted.
    """

    channel: str
    slot: int
    epoch: int
    since: datetime
    at: datetime
    before_id: str | None = None


@dataclass(slots=True)
class Handovers:
    """The handovers in doubt."""

    doubts: list[Doubt] = field(default_factory=list)

    def look(self, slots: Mapping[int, Sight]) -> list[Doubt]:
        """Return the doubts that turned out badly; forget those that are settled."""
        bad: list[Doubt] = []
        open_still: list[Doubt] = []
        for doubt in self.doubts:
            sight = slots.get(doubt.slot, Sight())
            if sight.epoch == doubt.epoch and doubt.channel not in sight.dropped:
                if doubt.channel in sight.brings | sight.owes:
                    open_still.append(doubt)
            elif sight.epoch == doubt.epoch or not sight.clean:
                bad.append(doubt)
        self.doubts = open_still
        return bad


def bearer_of(channel: str, others: Mapping[int, Sight]) -> int | None:
    """Return another slot whose open socket brings this channel, ours rather than another's."""
    found = [number for number, sight in others.items() if channel in sight.brings]
    return min(found, key=lambda number: not others[number].ours, default=None)
