"""What is done to a fleet, its bus and its upstream, and when. Pure: a seed decides everything."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

MOST_ABSENT = 2
"""Replicas that may be dead or frozen at the same time; somebody must be there to take over."""
AIMED = 0.6
"""Share of the blows against replicas that hit whoever holds most."""


class Kind(StrEnum):
    """One way to hurt."""

    KILL = "kill"  # a replica, -9; it comes back later
    LEAVE = "leave"  # a replica is asked to leave; it comes back later
    FREEZE = "freeze"  # a replica stands still for less than its leases last
    LONG_FREEZE = "long_freeze"  # for longer
    BUS = "bus"  # nats-server is killed, -9; it comes back later
    DROP = "drop"  # upstream hangs up on a socket
    MUTE = "mute"  # upstream says nothing on a socket, then hangs up
    HALF_OPEN = "half_open"  # upstream neither speaks nor listens on a socket, then it is gone
    REFUSE = "refuse"  # upstream hangs up on a socket and refuses the next handshakes


@dataclass(frozen=True, slots=True)
class Blow:
    """What is done at a moment, in seconds since the beginning.

    ``target`` picks one of the replicas that are there then, or one of the sockets that are open; an aimed
    one hits the replica that holds most.
    """

    at: float
    kind: Kind
    target: int
    lasting: float
    aimed: bool = False


LASTING: dict[Kind, tuple[float, float]] = {
    Kind.KILL: (0.0, 4.0),
    Kind.LEAVE: (0.0, 2.0),
    Kind.FREEZE: (0.3, 4.2),
    Kind.LONG_FREEZE: (9.5, 12.0),
    Kind.BUS: (0.1, 2.0),
    Kind.DROP: (0.0, 0.0),
    Kind.MUTE: (2.0, 8.0),
    Kind.HALF_OPEN: (2.0, 8.0),
    Kind.REFUSE: (0.0, 0.0),
}
"""Least and most seconds."""

HITS_A_REPLICA = {Kind.KILL, Kind.LEAVE, Kind.FREEZE, Kind.LONG_FREEZE}
_COMES_BACK_WITHIN = {Kind.KILL: 6.0, Kind.LEAVE: 12.0, Kind.FREEZE: 1.0, Kind.LONG_FREEZE: 3.0}
_DECK = [
    *[Kind.KILL] * 4,
    *[Kind.FREEZE] * 3,
    *[Kind.LEAVE] * 2,
    *[Kind.BUS] * 2,
    *[Kind.DROP] * 2,
    Kind.LONG_FREEZE,
    Kind.MUTE,
    Kind.HALF_OPEN,
    Kind.REFUSE,
]


def blows(seed: int, seconds: float, replicas: int, *, pause: tuple[float, float] = (2.0, 5.0)) -> list[Blow]:
    """Return what happens within so many seconds, in order.

    Every kind comes once before any comes too often, and at most `MOST_ABSENT` replicas are hurt at once.
    """
    chance = Random(seed)  # noqa: S311 - a drill, not a secret
    deck, found, back_at = list[Kind](), list[Blow](), list[float]()
    at = chance.uniform(*pause)
    while at < seconds:
        if not deck:
            deck = chance.sample(_DECK, len(_DECK))
        kind = deck.pop()
        back_at = [moment for moment in back_at if moment > at]
        if kind in HITS_A_REPLICA and len(back_at) >= min(MOST_ABSENT, replicas - 1):
            deck.insert(0, kind)  # later
        else:
            lasting = chance.uniform(*LASTING[kind])
            aimed = kind in HITS_A_REPLICA and chance.random() < AIMED
            found.append(Blow(at, kind, chance.randrange(1_000), lasting, aimed))
            if kind in HITS_A_REPLICA:
                back_at.append(at + lasting + _COMES_BACK_WITHIN[kind])
        at += chance.uniform(*pause)
    return found
