"""A destination that tests tell what to answer, and couriers that serve it over a real bus."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alert_bridge.carried import Carried
from alert_bridge.deliver.couriers import Couriers
from alert_bridge.deliver.metrics import DeliveryMetrics
from alert_bridge.deliver.names import lease_of
from alert_bridge.deliver.totals import Account, DestinationAccount
from alert_bridge.destinations.destination import Delivered, Packed, Verdict
from alert_bridge.destinations.spec import AppriseSpec, Spec
from alert_bridge.rules.model import Match, Route, Rules
from baleen_bus import Bucket, Bus, Publisher, Unreachable, open_bus
from baleen_bus.buckets import LEASES
from baleen_bus.connection import end_task
from baleen_bus.lease_value import release_mark
from baleen_contracts.alert import Alert
from baleen_runtime.clock import SystemClock


@dataclass
class Taker:
    """A destination in memory, of any number of replicas at a time.

    Attributes:
        name: as in the rules.
        most: alerts of one message.
        answers: what it answers next; afterwards that it has it.
        taken: the numbers of the alerts of each message that it took, in order.
        asked: the same of every message that came.
        open: messages are answered only while this is set.
        ahead: how many messages are being answered, and the most that ever were.
        on_asked: called with each message before it is answered.
    """

    name: str = "desk"
    most: int = 1
    answers: deque[Verdict] = field(default_factory=deque)
    taken: list[tuple[int, ...]] = field(default_factory=list)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    digests: list[tuple[int, ...]] = field(default_factory=list)
    edits: list[tuple[str, Any]] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    ahead: int = 0
    most_ahead: int = 0
    on_asked: Callable[[tuple[int, ...]], None] = lambda _: None

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def seqs(self) -> list[int]:
        """The numbers of all alerts that it took, in order."""
        return [seq for message in self.taken for seq in message]

    def pack(self, waiting: Sequence[Carried], *, digest: bool = False) -> Packed:
        """The numbers of the alerts."""
        covered = waiting if digest else waiting[: self.most]
        return Packed(len(covered), (digest, tuple(carried.seq for carried in covered)))

    def ready_in(self, _: float) -> float:
        """It has no limits."""
        return 0.0

    async def send(self, body: Any) -> Verdict:
        """Takes a message, or answers as it was told to."""
        digest, seqs = body
        self.asked.append(seqs)
        self.ahead += 1
        self.most_ahead = max(self.most_ahead, self.ahead)
        try:
            self.on_asked(seqs)
            await self.open.wait()
        finally:
            self.ahead -= 1
        verdict = self.answers.popleft() if self.answers else Delivered(200, f"m{seqs[0]}")
        if isinstance(verdict, Delivered):
            (self.digests if digest else self.taken).append(seqs)
        return verdict

    async def edit(self, remote_id: str, body: Any) -> Verdict:
        """Changes a message."""
        self.edits.append((remote_id, body))
        return self.answers.popleft() if self.answers else Delivered(200, remote_id)

    async def delete(self, remote_id: str) -> Verdict:
        """Takes a message back."""
        self.deletes.append(remote_id)
        return self.answers.popleft() if self.answers else Delivered(204)

    async def close(self) -> None:
        """It has nothing to let go of."""


class GivenRules:
    """Rules that a test gives and changes."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._callbacks: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """As `RulesHolder.on_change`."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def change(self, rules: Rules) -> None:
        """Takes other rules into use."""
        self.rules = rules
        for callback in list(self._callbacks):
            callback()


def spec(url: str = "json://localhost", **told: Any) -> Spec:
    """What the rules say of a destination; which kind does not matter to who serves it."""
    return AppriseSpec(type="apprise", url=SecretStr(url), **told)


def rules_for(*names: str, route: Mapping[str, Any] | None = None, **told: Any) -> Rules:
    """Rules by which these destinations are told everything, by one route."""
    routes = (Route(name="all", match=Match(), to=frozenset(names), **(route or {})),) if names else ()
    return Rules(destinations={name: spec(**told) for name in names}, routes=routes)


def an_alert(number: int, **told: Any) -> Alert:
    """One alert, told apart by its number."""
    fields = {"alert_type": "rally", "source": "test", "content": f"n{number}", "id": f"a{number}"} | told
    return Alert(occurred_at=datetime.now(UTC), **fields)


@dataclass
class Serving:
    """Couriers of one replica over a connection of their own."""

    bus: Bus
    couriers: Couriers
    account: Account
    publisher: Publisher
    said: list[Alert]
    task: asyncio.Task[None]

    async def store(self, *alerts: Alert) -> list[int]:
        """Stores alerts, and returns their numbers."""
        return [(await self.publisher.publish(alert)).seq for alert in alerts]

    async def of(self, name: str = "desk") -> DestinationAccount:
        """The account of one destination."""
        return next(one for one in await self.account.snapshot() if one.name == name)

    async def until_quiet(
        self, accepted: int, name: str = "desk", within: float = 15.0
    ) -> DestinationAccount:
        """Waits until so many were accepted and nothing is in flight; returns the account then."""
        async with asyncio.timeout(within):
            while True:
                found: list[DestinationAccount] = []
                with suppress(Unreachable):
                    found = [one for one in await self.account.snapshot() if one.name == name]
                one = found[0] if found else None
                if one is not None and one.accepted == accepted and not one.in_flight and not one.unaccounted:
                    return one
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """Ends the replica as a crash would, as far as one can within a process: nothing is handed over."""
        await end_task(self.task)


async def release_lease(bus: Bus, *names: str) -> None:
    """Marks leases as released, which spares the wait after one that expired."""
    for name in names:
        await Bucket(bus, LEASES).delete(lease_of(name), value=release_mark("test"))


@asynccontextmanager
async def serving(
    url: str,
    takers: Mapping[str, Taker],
    rules: GivenRules,
    *,
    replica: str = "one",
    longest_wait: float = 0.05,
    beside: bool = False,
    access: Mapping[str, str] | None = None,
) -> AsyncIterator[Serving]:
    """One replica that serves *takers* by *rules*; ends as a crash would.

    It has the lease of each at once, unless it runs *beside* others. *access* is its user and password.
    """
    said: list[Alert] = []
    couriers = Couriers(
        rules,
        clock=SystemClock(),
        metrics=DeliveryMetrics(CollectorRegistry()),
        build=lambda name, _: takers[name],
        chance=lambda: 1.0,
        replica=replica,
        longest_wait=longest_wait,
    )
    async with (
        open_bus(
            url=url,
            user=(access or {}).get("user"),
            password=(access or {}).get("password"),
            name=f"test/{replica}",
            connect_within=10,
        ) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        if not beside:
            await release_lease(bus, *takers)

        async def say(alert: Alert) -> None:
            said.append(alert)
            await publisher.publish(alert)

        task = asyncio.create_task(couriers.run(bus, say), name=f"couriers-{replica}")
        replica_serves = Serving(bus, couriers, Account(bus, couriers, rules), publisher, said, task)
        try:
            async with asyncio.timeout(10):
                while not couriers.serving[0]:  # noqa: ASYNC110 - the bus is asked
                    await asyncio.sleep(0.005)
            yield replica_serves
        finally:
            await end_task(task)
