"""Where a follower may start, and what it tells. Pure."""

from dataclasses import dataclass

from baleen_bus.sequence import GapReason


@dataclass(frozen=True, slots=True)
class Live:
    """Start with what is stored from now on."""


@dataclass(frozen=True, slots=True)
class FromSequence:
    """Start with this sequence, the first one wanted."""

    seq: int


@dataclass(frozen=True, slots=True)
class LastPerSubject:
    """Start with the last message of every subject, then what follows."""


Start = Live | FromSequence | LastPerSubject


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequences that will not come. A follower of a part of a stream may count others' among them."""

    stream: str
    from_seq: int
    to_seq: int
    reason: GapReason


@dataclass(slots=True)
class FollowerStats:
    """Counters since the follower was made; services export them."""

    delivered: int = 0
    repaired: int = 0
    """Messages that came by reading instead of live."""
    repairs: int = 0
    failed_repairs: int = 0
    gaps: int = 0
    forged: int = 0
    """Messages on a public subject that no stream had stored."""
    duplicates: int = 0
    callback_errors: int = 0
