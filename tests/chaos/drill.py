"""Carries out the blows of a drill, and keeps the record of what happened when.

Moments are epoch seconds throughout, which all processes of one machine share.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from tests.chaos.blows import HITS_A_REPLICA, Blow, Kind
from tests.chaos.fleet import Fleet, Replica, until
from tests.chaos.leases_seen import LeasesSeen, Takeover

from baleen_bus.testing import NatsServer
from uw_simulator.testing import Simulator


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so."""

    began: float
    ended: float

    def overlap(self, other: "Span") -> float:
        """How many seconds both last together."""
        return max(0.0, min(self.ended, other.ended) - max(self.began, other.began))


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A violation that upstream counted, and when."""

    at: float
    what: str


@dataclass(slots=True)
class Record:
    """What happened in a drill."""

    events: list[tuple[float, str]] = field(default_factory=list)
    freezes: list[Span] = field(default_factory=list)
    outages: list[Span] = field(default_factory=list)
    """Of the bus."""
    exceeded: list[Exceeded] = field(default_factory=list)
    deaths: list[tuple[list[str], str, float]] = field(default_factory=list)
    """The leases that a replica held when it died, its name, and when."""
    most_sockets: int = 0

    def note(self, words: str) -> None:
        """Write an event down."""
        self.events.append((time.time(), words))

    def takeovers(self, seen: LeasesSeen) -> list[Takeover]:
        """What became of every lease whose holder died."""
        return [took for keys, name, at in self.deaths for took in seen.takeovers(keys, name, at)]

    def bus_was_away(self, span: Span, settle: float) -> float:
        """Seconds of a span in which the bus was away or everybody was just returning to it."""
        return sum(Span(gone.began, gone.ended + settle).overlap(span) for gone in self.outages)

    def story(self) -> str:
        """The events, one a line."""
        first = self.events[0][0] if self.events else 0.0
        return "\n".join(f"{at - first:7.2f} {at:.3f} {words}" for at, words in self.events)


class Drill:
    """A fleet, its bus and its upstream, and somebody who hurts them."""

    def __init__(
        self, ours: Fleet, nats: NatsServer, simulator: Simulator, leases: LeasesSeen, seed: int
    ) -> None:
        self.fleet, self.nats, self.simulator, self.leases = ours, nats, simulator, leases
        self.record = Record()
        self._chance = Random(seed)  # noqa: S311 - a drill, not a secret
        self._bus_lock = asyncio.Lock()
        self._hurt: set[str] = set()

    async def carry_out(self, blows: Sequence[Blow]) -> None:
        """Do everything at its moment, side by side where it lasts; return when the last is over."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for blow in blows:
                await asyncio.sleep(max(0.0, began + blow.at - time.monotonic()))
                tasks.create_task(self._strike(blow), name=f"{blow.kind}")

    async def heal(self, channels: Sequence[str]) -> None:
        """Put everything right, and wait until upstream has a join of every channel on a sound socket."""
        if not self.nats.running:
            await asyncio.to_thread(self.nats.start)
        await self.simulator.control.refuse(0)
        for connection in await self.connections():
            if connection["muted"] or connection["half_open"]:
                await self._hang_up(connection["connection"])
        await self.fleet.start()
        await self.joined(channels, within=60)
        self.record.note("healed")

    async def joined(self, channels: Sequence[str], within: float) -> None:
        """Wait until upstream has a join of every channel."""
        missing = set(channels)

        async def all_joined() -> bool:
            missing.clear()
            joined = {name for c in await self.connections() for name in c["joined"]}
            missing.update(set(channels) - joined)
            return not missing

        try:
            await until(all_joined, "every channel is joined", within)
        except AssertionError:
            raise AssertionError(f"not joined within {within:.0f} s: {sorted(missing)}") from None

    async def connections(self) -> list[dict[str, Any]]:
        """The sockets that upstream has."""
        found: list[dict[str, Any]] = (await self.simulator.control.state())["connections"]
        return found

    async def ask_upstream(self) -> None:
        """Write down what upstream remembers: every socket, and every violation with its moment."""
        history = await self.simulator.control.history()
        accounts = (await self.simulator.control.state())["accounts"]
        self.record.most_sockets = max(account["peak_sockets"] for account in accounts)
        self.record.exceeded = [Exceeded(each["at"], each["what"]) for each in history["violations"]]
        self.record.events += [(each["at"], f"VIOLATION {each['text']}") for each in history["violations"]]
        for each in history["sockets"]:
            self.record.events.append(
                (each["since"], f"socket {each['connection']} opened by {each['peer']}")
            )
            if "until" in each:
                gone = f"socket {each['connection']} gone: {each['why']}, had {len(each['joined'])} channels"
                self.record.events.append((each["until"], gone))
        self.record.events.sort()

    async def _strike(self, blow: Blow) -> None:
        if blow.kind not in HITS_A_REPLICA:
            await (self._bus(blow.lasting) if blow.kind is Kind.BUS else self._cut(blow))
            return
        replica = self._victim(blow)
        if replica is None:
            self.record.note(f"skipped {blow.kind}: too few are there")
            return
        self._hurt.add(replica.name)
        try:
            match blow.kind:
                case Kind.KILL:
                    await self._kill(replica, blow.lasting)
                case Kind.LEAVE:
                    await self._leave(replica, blow.lasting)
                case _:
                    await self._freeze(replica, blow)
        finally:
            self._hurt.discard(replica.name)

    def _victim(self, blow: Blow) -> Replica | None:
        """Who is hit: one that is there, unless it is the last."""
        there = [one for one in self.fleet.replicas.values() if one.alive and one.name not in self._hurt]
        if len(there) < 2:
            return None
        if blow.aimed:
            return max(there, key=lambda one: len(self.leases.held_by(one.name)))
        return there[blow.target % len(there)]

    async def _kill(self, replica: Replica, lasting: float) -> None:
        held = self.leases.held_by(replica.name)
        replica.kill()
        self.record.deaths.append((held, replica.name, time.time()))
        self.record.note(f"killed {replica.name}, which held {held}")
        await asyncio.sleep(lasting)
        replica.start()

    async def _leave(self, replica: Replica, lasting: float) -> None:
        held = self.leases.held_by(replica.name)
        self.record.note(f"asked {replica.name} to leave, which held {held}")
        replica.ask_to_leave()
        try:
            code = await replica.left()
            self.record.note(f"{replica.name} left with {code}")
        except AssertionError:
            self.record.note(f"STUCK: {replica.name} does not leave")
            replica.kill()
        await asyncio.sleep(lasting)
        replica.start()

    async def _freeze(self, replica: Replica, blow: Blow) -> None:
        held = self.leases.held_by(replica.name)
        began = time.time()
        replica.freeze()
        self.record.note(f"froze {replica.name} for {blow.lasting:.2f} s, which held {held}")
        if blow.kind is Kind.LONG_FREEZE:
            self.record.deaths.append((held, replica.name, began))
        try:
            await asyncio.sleep(blow.lasting)
        finally:
            replica.thaw()
        self.record.freezes.append(Span(began, time.time()))
        self.record.note(f"thawed {replica.name}")

    async def _bus(self, lasting: float) -> None:
        async with self._bus_lock:
            began = time.time()
            await asyncio.to_thread(self.nats.kill)
            self.record.note("killed nats-server")
            await asyncio.sleep(lasting)
            await asyncio.to_thread(self.nats.start)
            self.record.outages.append(Span(began, time.time()))
            self.record.note("started nats-server")

    async def _cut(self, blow: Blow) -> None:
        control, open_now = self.simulator.control, await self.connections()
        if not open_now:
            self.record.note(f"skipped {blow.kind}: no socket is open")
            return
        number = open_now[blow.target % len(open_now)]["connection"]
        self.record.note(f"{blow.kind} on socket {number} for {blow.lasting:.2f} s")
        if blow.kind is Kind.REFUSE:
            await control.refuse(2)
        elif blow.kind is Kind.MUTE:
            await control.mute(connection=number)
        elif blow.kind is Kind.HALF_OPEN:
            await control.half_open(connection=number)
        await asyncio.sleep(blow.lasting)
        await self._hang_up(number)

    async def _hang_up(self, number: int) -> None:
        with contextlib.suppress(httpx.HTTPStatusError):  # it has gone by itself
            await self.simulator.control.drop(code=self._chance.choice([None, 1001, 1012]), connection=number)
