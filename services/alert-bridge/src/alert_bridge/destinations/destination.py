"""What a destination and the worker that serves it say to one another. Pure.

A worker serves one destination, one message at a time. It asks for the next message over what waits, waits
until the destination may send, sends, and acts on the verdict; whatever a destination raises instead is a
defect, and counts as `Later` of `Wait.SERVER_ERROR`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alert_bridge.carried import Carried
from alert_bridge.reasons import Wait


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has the message. ``remote_id``: under which the destination knows it, where it says so."""

    status: int | None = None
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: the same message again, after so many seconds at least where the destination said so.

    ``failed`` tells a failure, which a circuit breaker counts, from a limit that was obeyed.
    """

    why: Wait
    after: float | None = None
    status: int | None = None
    detail: str = ""
    failed: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never this message; others may pass."""

    status: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Never any message, until an operator changes something."""

    status: int | None = None
    detail: str = ""


Verdict = Delivered | Later | Rejected | Stopped


@dataclass(frozen=True, slots=True)
class Packed:
    """The next message, and which alerts it says whole.

    Attributes:
        covers: the first so many of the alerts that were offered.
        body: what ``send`` needs; a worker hands it back and looks at nothing.
        plain: the same in the plainest form, for one more try after a `Rejected`; None where there is none.
    """

    covers: int
    body: Any
    plain: Any | None = None


class Destination(Protocol):
    """Somewhere people read alerts. Used by one worker, on one loop."""

    @property
    def name(self) -> str:
        """As in the rules, in small letters; the only name it has outside the bridge."""

    def pack(self, waiting: Sequence[Carried], *, digest: bool = False) -> Packed:
        """Makes the next message of the first alerts that wait: as many as it takes, at least one.

        ``digest`` asks for one message over all of them, cut to what fits and saying how many are not shown.
        Pure: the same for the same alerts.
        """

    def ready_in(self, now: float) -> float:
        """Seconds until its limits let the next message go; 0 for at once. ``now`` is monotonic."""

    async def send(self, body: Any) -> Verdict:
        """Sends one message, and takes note of what the answer says of limits.

        Ends within its own time-out. No secret and no URL gets into the verdict.
        """

    async def close(self) -> None:
        """Lets go of connections."""
