"""The slots of this replica: contends for those that the plan uses, and does in each what the plan says."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from baleen_bus.kv import Bucket
from baleen_bus.lease import Grant, LeaseTimes
from baleen_bus.leases import LeaseKeeper, LeaseView, Seen
from uw_ingest.feed import Connection
from uw_ingest.handover import Sight
from uw_ingest.planner import Plan
from uw_ingest.slot import HURRY, Slot, Surroundings

log: Any = structlog.get_logger("uw_ingest.slots")

KEY = "socket."
LOOK_EVERY = 0.5  # seconds
AFTER_YOU = 0.25  # seconds a replica that has a slot waits before it takes one more
TAKEN_WITHIN = 0.5  # seconds for another replica to plan, once we do not
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
        self.plan: Plan | None = None
        self.leaving = False
        self._given_up: set[int] = set()
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
        before = self.plan
        known = _joined(before) if before is not None else _joined(plan)
        self.plan = plan
        for number, slot in self.held.items():
            channels = plan.joins.get(number, ())
            if tuple(channels) != slot.wanted:
                log.info("joining", slot=number, channels=len(channels))
                slot.want(channels, known)

    def others(self, but: int) -> dict[int, Sight]:
        """Return how the slots look: ours by themselves, the others by their leases."""
        seen = {number: sight_of(self._view.seen.get(f"{KEY}{number}")) for number in self.keepers}
        seen |= {number: slot.sight() for number, slot in self.held.items()}
        seen.pop(but, None)
        return seen

    @property
    def backlog(self) -> int:
        """Frames of all our sockets that are not read yet."""
        return sum(slot.intake.backlog for slot in self.held.values())

    def told(self) -> dict[int, dict[str, Any]]:
        """Return what the holders tell of their slots, ours included, by number."""
        seen = {number: self._view.seen.get(f"{KEY}{number}") for number in self.keepers}
        told = {n: one.value for n, one in seen.items() if one is not None and not one.deleted}
        return told | {number: slot.tell() for number, slot in self.held.items()}

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
            slot.intake.flush()
        self.held.clear()

    async def leave(self, within: float) -> None:
        """Hand over to another replica if there is one, then give up every slot."""
        self.leaving = True
        for number, slot in self.held.items():
            slot.leaving = True
            self.keepers[number].touch()
        time = asyncio.get_running_loop().time
        asked_at = time()
        # The plan, the leases and the time all count, hence looks instead of an event.
        while self._in_use() and time() < asked_at + (  # noqa: ASYNC110
            within if self._others_plan() else min(within, TAKEN_WITHIN)
        ):
            await asyncio.sleep(HURRY)
        await asyncio.gather(*(self.give_up(number) for number in list(self.held)))

    async def give_up(self, number: int) -> None:
        """Close a slot's socket, say what it brought, and release the lease; unless not all could be said.

        Then the lease expires instead, and whoever takes the slot announces what may be missing.
        """
        slot = self.held.pop(number, None)
        if slot is None:
            return
        self._given_up.add(number)
        try:
            slot.close("leaving")
            said = await slot.say_all(STUCK_AFTER)
            if said:
                await self.keepers[number].release()
            log.info("slot given up", slot=number, said=said)
        finally:
            self._given_up.discard(number)

    def _in_use(self) -> bool:
        plan = self.plan
        return plan is not None and any(plan.joins.get(n) and n not in plan.stuck for n in self.held)

    def _others_plan(self) -> bool:
        """Tell whether another replica plans our channels away; without one there is nobody to wait for."""
        planner = self._view.seen.get("planner")
        return planner is not None and not planner.deleted and planner.value.get("owner") != self._owner

    async def _look(self) -> None:
        while True:
            for number, slot in list(self.held.items()):
                slot.look()
                if slot.news():
                    self.keepers[number].touch()
                if self.plan is not None and not self.plan.joins.get(number) and not slot.owes():
                    await self.give_up(number)
            await asyncio.sleep(LOOK_EVERY)

    def _wanted(self, number: int) -> bool:
        if self.leaving or number in self._given_up:
            return False
        return number == 1 if self.plan is None else bool(self.plan.joins.get(number))

    def _tell(self, number: int) -> dict[str, Any]:
        slot = self.held.get(number)
        return slot.tell() if slot is not None else {"state": "taken"}

    def _held(self, number: int, grant: Grant) -> None:
        log.info("slot taken", slot=number, epoch=grant.epoch, before=str(grant.before))
        keeper = self.keepers[number]
        slot = Slot(
            number,
            grant,
            self._around,
            allowed=lambda: keeper.grant is not None,
            changed=keeper.touch,
        )
        self.held[number] = slot
        keeper.touch()
        slot.start(self.plan.joins.get(number, ()) if self.plan is not None else ())

    def _lost(self, number: int, reason: str) -> None:
        log.warning("slot lost", slot=number, reason=reason)
        slot = self.held.pop(number, None)
        if slot is not None:
            slot.close(f"the lease is lost: {reason}")


def sight_of(seen: Seen | None) -> Sight:
    """Return how a slot looks by its lease; what a stranger wrote covers nothing."""
    if seen is None or seen.deleted:
        return Sight(clean=seen is not None)
    value = seen.value
    names = [name for key in ("accepted", "owes") for name in _texts(value.get(key))]
    epoch = value.get("epoch")
    return Sight(
        epoch=epoch if isinstance(epoch, int) and epoch else seen.revision,  # the value that took it has none
        connected=value.get("state") == Connection.CONNECTED,
        flows=value.get("flows") is True,
        covers=frozenset(names),
        clean=value.get("before") == "released",
    )


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _joined(plan: Plan) -> frozenset[str]:
    return frozenset(channel for channels in plan.joins.values() for channel in channels)
