"""Everything that can be made to go wrong. Pure: what is armed, and whom it strikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What happens to a request. Those that begin with ``taken`` store the message first."""

    RATE_LIMITED = "rate_limited"
    """429 with every header and ``retry_after``, though nothing was exceeded."""
    RATE_LIMITED_BARE = "rate_limited_bare"
    """429 whose body alone tells ``retry_after``: no limit and no wait in the headers."""
    CLOUDFLARE = "cloudflare"
    """429 with a page of the network in front: no JSON, no ``Via``."""
    STATUS = "status"
    """An answer of that status: 502, or 401, 403 and 404 in Discord's words."""
    RESET = "reset"
    """The connection is cut, and nothing was taken."""
    TAKEN_SILENCE = "taken_silence"
    """No answer, ever."""
    TAKEN_RESET = "taken_reset"
    """The connection is cut instead of an answer."""
    TAKEN_STATUS = "taken_status"
    """An error of that status, though it was taken."""
    TAKEN_GARBAGE = "taken_garbage"
    """A success whose body is no JSON."""
    TAKEN_SLOW = "taken_slow"
    """The right answer, late."""

    @property
    def takes(self) -> bool:
        """Whether the message is stored all the same."""
        return self.value.startswith("taken")


@dataclass(slots=True)
class Fault:
    """One thing that is to go wrong, and for whom.

    Attributes:
        kind: what.
        count: how many requests it strikes; None for all from now on.
        every: it strikes one in so many of those it is meant for.
        webhook: the name of the only webhook it is meant for; None for all.
        status: of the answer, where the kind has one.
        seconds: ``retry_after``, or how late: a second unless it is said. The page of the network in front
            says when to come again only where this does.
    """

    kind: Kind
    count: int | None = 1
    every: int = 1
    webhook: str | None = None
    status: int = 502
    seconds: float | None = None
    seen: int = 0
    struck: int = 0

    @property
    def pause(self) -> float:
        """Its seconds, said or not."""
        return 1.0 if self.seconds is None else self.seconds

    @property
    def spent(self) -> bool:
        """Whether it strikes nobody any more."""
        return self.count is not None and self.struck >= self.count

    def strikes(self, webhook: str | None) -> bool:
        """Tell whether a request to *webhook* is struck, and count it."""
        if self.spent or self.webhook not in (None, webhook):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class Faults:
    """What is armed, in the order in which it was; the first that strikes decides."""

    armed: list[Fault] = field(default_factory=list)
    struck: dict[Kind, int] = field(default_factory=dict)
    """How many requests each kind struck so far."""

    def arm(self, fault: Fault) -> None:
        """Arm one more."""
        self.armed.append(fault)

    def strike(self, webhook: str | None, *, takes: bool) -> Fault | None:
        """The fault that strikes a request to *webhook*, if any: before anything is taken, or after."""
        for fault in self.armed:
            if fault.kind.takes is takes and fault.strikes(webhook):
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                self.armed = [one for one in self.armed if not one.spent]
                return fault
        return None

    def disarm(self) -> None:
        """Let everything go well from now on."""
        self.armed.clear()
