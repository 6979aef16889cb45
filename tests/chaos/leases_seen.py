"""Who held which lease when, as the bus told it; and how long a dead holder's leases stayed without one."""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from nats.aio.msg import Msg

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer

PREFIX = "kv.leases."
ON_ITS_WAY = 0.2  # seconds; a value that a holder sent right before it died may be stored after


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lease's value; ``at`` in epoch seconds by the server's clock, owner None where it was released."""

    at: float
    key: str
    owner: str | None
    value: dict[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Takeover:
    """A dead holder's lease and the moment (epoch seconds) somebody living had it; None if nobody did."""

    key: str
    dead: str
    died_at: float
    taken_at: float | None

    @property
    def took(self) -> float | None:
        """Seconds without a living holder."""
        return None if self.taken_at is None else self.taken_at - self.died_at


class LeasesSeen:
    """Every value of every lease since the watch began."""

    def __init__(self) -> None:
        self.sightings: defaultdict[str, list[Sighting]] = defaultdict(list)

    def note(self, sighting: Sighting) -> None:
        """Write one down."""
        self.sightings[sighting.key].append(sighting)

    def held_by(self, name: str) -> list[str]:
        """The leases whose newest value is this replica's."""
        newest = {key: seen[-1].owner for key, seen in self.sightings.items()}
        return [key for key, owner in newest.items() if owner is not None and _is(owner, name)]

    def takeovers(self, keys: Iterable[str], dead: str, died_at: float) -> list[Takeover]:
        """When each lease of a replica that died had a living holder again.

        A value that is written after the death is a living one's, whoever signs it.
        """
        return [Takeover(key, dead, died_at, self._held_after(key, died_at + ON_ITS_WAY)) for key in keys]

    def _held_after(self, key: str, moment: float) -> float | None:
        return next((seen.at for seen in self.sightings[key] if seen.owner and seen.at > moment), None)


@contextlib.asynccontextmanager
async def watching_leases(nats: NatsServer) -> AsyncIterator[LeasesSeen]:
    """Watch the leases; outages of the bus leave holes of their length."""
    seen = LeasesSeen()

    async def note(message: Msg) -> None:
        seen.note(sighting(message.subject, message.headers or {}, message.data))

    async with open_bus(url=nats.url, name="drill/leases", connect_within=10) as bus:
        await bus.nc.subscribe(PREFIX + ">", cb=note)
        await bus.nc.flush()
        yield seen


def sighting(subject: str, headers: dict[str, str], body: bytes) -> Sighting:
    """Read one stored change of a lease."""
    at = datetime.fromisoformat(headers["Nats-Time-Stamp"]).timestamp()
    key, value = subject.removeprefix(PREFIX), {}
    if "KV-Operation" not in headers and body:
        with contextlib.suppress(ValueError):
            value = orjson.loads(body)
    return Sighting(at, key, value.get("owner"), value)


def _is(owner: str, name: str) -> bool:
    return owner == name or (owner.startswith(name) and not owner[len(name)].isalnum())
