"""The slots of this replica: contends for those that the plan uses, and does in each what the plan says."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from baleen_bus.kv import Bucket
from baleen_bus.lease import Grant, LeaseTimes
from baleen_bus.leases import LeaseKeeper, LeaseView
from uw_ingest.pipeline.said import HURRY
from uw_ingest.plan.planner import Plan
from uw_ingest.slots.feed import Connection
from uw_ingest.slots.handover import Sight
from uw_ingest.slots.slot import Slot, Surroundings
from uw_ingest.slots.told import sight_of, texts

log: Any = structlog.get_logger("uw_ingest.slots.slots")

KEY = "socket."
LOOK_EVERY = 0.5  # seconds
AFTER_YOU = 0.25  # seconds a replica that has a slot waits before it takes one more
TAKEN_WITHIN = 0.5  # seconds for another replica to plan, once we do not
SETTLED = 10.0  # seconds in a plan after which a channel counts as brought
TOLD_WITHIN = 1.5  # seconds in which every replica looks at the leases once
STUCK_AFTER = 3.0  # seconds without progress before what a slot had heard is given up


class Slots:
    """Every slot of the plan, those of this replica among them."""

    def __init__(
        self,
        most: int,
        *,
        leases: Bucket,
        view: LeaseView,
        times: LeaseTimes,
        owner: str,
        around: Callable[[Callable[[int], Mapping[int, Sight]]], Surroundings],
    ) -> None:
        """Know of so many slots; ``around`` makes their surroundings, given a way to look at the others."""
        self._view, self._owner = view, owner
        self._around = around(self.others)
        self.held: dict[int, Slot] = {}
        self._closing: dict[int, Slot] = {}  # closed, and not released before all is said
        self.plan: Plan | None = None
        self.leaving = False
        self._planned_at: dict[str, float] = {}  # when each channel was first seen in a plan
        self._brought: set[str] = set()  # channels of the plan that some socket has brought
        self._ending: set[asyncio.Task[None]] = set()
        self.keepers = {number: self._keeper(number, leases, times) for number in range(1, most + 1)}

    def _keeper(self, number: int, leases: Bucket, times: LeaseTimes) -> LeaseKeeper:
        return LeaseKeeper(
            leases,
            f"{KEY}{number}",
            owner=self._owner,
            times=times,
            wanted=partial(self._wanted, number),
            tell=partial(self._tell, number),
            on_held=partial(self._held, number),
            on_lost=partial(self._lost, number),
            eager=lambda: AFTER_YOU if self.held else 0.0,
        )

    async def run(self) -> None:
        """Contend, hold and look, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for number, keeper in self.keepers.items():
                tasks.create_task(keeper.run(), name=f"lease-{number}")
            tasks.create_task(self._look(), name="slots-look")

    def follow(self, plan: Plan) -> None:
        """Do what a plan says from now on."""
        self._note_brought()
        now, first, self.plan = self._time(), self.plan is None, plan
        new_at = -SETTLED if first else now
        self._planned_at = {channel: self._planned_at.get(channel, new_at) for channel in _joined(plan)}
        for number, slot in self.held.items():
            channels = plan.joins.get(number, ())
            if tuple(channels) != slot.wanted:
                log.info("joining", slot=number, channels=len(channels))
                slot.want(channels, self._had())

    def _note_brought(self) -> None:
        told = self.told().values()
        self._brought |= {channel for value in told for channel in texts(value.get("accepted"))}
        if self.plan is not None:
            self._brought &= _joined(self.plan)

    def _had(self) -> frozenset[str]:
        """Return the channels that some socket may have had: of those nothing may be missed.

        One that was planned a moment ago and that no socket has brought yet is new, and misses nothing.
        """
        now = self._time()
        return frozenset(c for c, at in self._planned_at.items() if now - at > SETTLED or c in self._brought)

    def others(self, but: int) -> dict[int, Sight]:
        """Return how the slots look: ours by themselves, the others by their leases."""
        seen = {number: sight_of(self._view.seen.get(f"{KEY}{number}")) for number in self.keepers}
        seen |= {number: slot.sight() for number, slot in (self._closing | self.held).items()}
        seen.pop(but, None)
        return seen

    @property
    def backlog(self) -> int:
        """Frames of all our sockets that are not read yet."""
        return sum(slot.intake.backlog for slot in (*self.held.values(), *self._closing.values()))

    def told(self) -> dict[int, dict[str, Any]]:
        """Return what the holders tell of their slots, ours included, by number."""
        seen = {number: self._view.seen.get(f"{KEY}{number}") for number in self.keepers}
        told = {n: one.value for n, one in seen.items() if one is not None and not one.deleted}
        return told | {number: slot.tell() for number, slot in (self._closing | self.held).items()}

    def serving(self) -> tuple[bool, str]:
        """Tell whether this replica does its share: its sockets are open, or others hold them all."""
        bad = [slot.feed for slot in self.held.values() if slot.feed.connection is not Connection.CONNECTED]
        if bad:
            return False, f"{bad[0].connection}: {bad[0].reason}"
        if self.held:
            return True, ""
        if self.plan is None:
            return False, "connecting: nothing is planned yet"
        told = self.told()
        free = [number for number, channels in self.plan.joins.items() if channels and number not in told]
        return not free, f"nobody holds slot {free[0]} yet" if free else "standing by"

    def drop(self, reason: str) -> None:
        """Close every socket now and release nothing; for leaving in a hurry."""
        for slot in self.held.values():
            slot.close(reason)
        for slot in (*self.held.values(), *self._closing.values()):
            slot.intake.flush()
        self.held.clear()

    async def leave(self, within: float) -> None:
        """Hand over to another replica if there is one, then give up every slot."""
        self.leaving = True
        for number, slot in list(self.held.items()):
            slot.leaving = True
            self.keepers[number].touch()
        time = self._time
        asked_at = time()
        # The plan, the leases and the time all count, hence looks instead of an event.
        while self._in_use() and time() < asked_at + (  # noqa: ASYNC110
            within if self._others_plan() else min(within, TAKEN_WITHIN)
        ):
            await asyncio.sleep(HURRY)
        await asyncio.gather(*(self.give_up(number) for number in list(self.held)))

    async def give_up(self, number: int) -> None:
        """Close a slot's socket, say what it brought, and release the lease; unless not all could be said.

        Then the lease is left to expire, and whoever takes the slot announces what may be missing.
        """
        slot, keeper = self.held.pop(number, None), self.keepers[number]
        if slot is None:
            return
        self._closing[number] = slot
        try:
            slot.close("leaving")
            self._around.outlet.tell_refusals()
            keeper.touch()
            said = await slot.said.has_all(STUCK_AFTER)
            if said and self._joined_elsewhere(slot):
                await asyncio.sleep(TOLD_WITHIN)  # the other one must see that we closed before it had joined
            if said:
                await keeper.release()
            else:
                keeper.abandon("not all was said")
            log.info("slot given up", slot=number, said=said)
        finally:
            del self._closing[number]

    def _joined_elsewhere(self, slot: Slot) -> bool:
        """Tell whether a channel that was open until the end is planned on another slot too."""
        joins = self.plan.joins if self.plan is not None else {}
        elsewhere = {c for number, channels in joins.items() if number != slot.number for c in channels}
        return bool(elsewhere & (slot.dropped or frozenset()))

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _in_use(self) -> bool:
        plan = self.plan
        return plan is not None and any(plan.joins.get(n) and n not in plan.stuck for n in self.held)

    def _others_plan(self) -> bool:
        """Tell whether another replica plans our channels away; without one there is nobody to wait for."""
        planner = self._view.seen.get("planner")
        return planner is not None and not planner.deleted and planner.value.get("owner") != self._owner

    async def _look(self) -> None:
        while True:
            self._note_brought()
            for number, slot in list(self.held.items()):  # a keeper that is touched too late loses its slot
                slot.look()
                if slot.news():
                    self.keepers[number].touch()
                if self.plan is not None and not self.plan.joins.get(number) and not slot.owes():
                    ending = asyncio.create_task(self.give_up(number), name=f"slot-{number}-ends")
                    self._ending.add(ending)
                    self._around.bus.supervise(ending)
                    ending.add_done_callback(self._ending.discard)
            await asyncio.sleep(LOOK_EVERY)

    def _wanted(self, number: int) -> bool:
        if self.leaving or number in self._closing:
            return False
        return number == 1 if self.plan is None else bool(self.plan.joins.get(number))

    def _tell(self, number: int) -> dict[str, Any]:
        slot = self.held.get(number) or self._closing.get(number)
        return slot.tell() if slot is not None else {"state": "taken"}

    def _held(self, number: int, grant: Grant) -> None:
        log.info("slot taken", slot=number, epoch=grant.epoch, before=str(grant.before))
        keeper = self.keepers[number]
        slot = Slot(
            number,
            grant,
            self._around,
            allowed=lambda: keeper.usable,
            changed=keeper.touch,
            cool=keeper.cool,
        )
        self.held[number] = slot
        keeper.touch()
        slot.start(self.plan.joins.get(number, ()) if self.plan is not None else (), self._had())

    def _lost(self, number: int, reason: str) -> None:
        log.warning("slot lost", slot=number, reason=reason)
        slot = self.held.pop(number, None)
        if slot is not None:
            slot.close(f"the lease is lost: {reason}")


def _joined(plan: Plan) -> frozenset[str]:
    return frozenset(channel for channels in plan.joins.values() for channel in channels)
