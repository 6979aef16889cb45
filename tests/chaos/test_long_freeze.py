"""A replica that stands still for longer than its leases last: what upstream sees of it, and for how long.

Its sockets stay open at upstream, beside those of whoever took its slots over: so many too many until it goes
on (and hangs up at once) or until upstream's ping times out. Nobody can prevent that; it must end by itself.
"""

import asyncio
import time
from pathlib import Path

import pytest
from tests.chaos.books import announced, at_rest, gaps, said, stored_ids
from tests.chaos.drill import Drill
from tests.chaos.fleet import fleet
from tests.chaos.leases_seen import watching_leases
from tests.chaos.ledger import audit
from tests.chaos.test_budget_drill import ON_THREE_SOCKETS, SOCKETS

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from uw_simulator.testing import Simulator

FROZEN = 12.0  # seconds, twice what a lease lasts
WELL_WITHIN = 60.0  # seconds after the thaw; a refused socket rests for some seconds


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_long_freeze_is_over_when_it_is_over(nats_server: NatsServer, tmp_path: Path) -> None:
    """Each slot is refused and rests; after the thaw every channel is joined again, and all is told."""
    journal = tmp_path / "journal"
    async with (
        Simulator.subprocess(
            source="synthetic",
            rate=120,
            gex_strike_every=20,
            max_sockets=SOCKETS,
            journal=journal,
            backlog_bytes=64 << 20,
        ) as simulator,
        watching_leases(nats_server) as leases,
        fleet(nats_server, simulator, ["ada", "bea"], tmp_path, channels=",".join(ON_THREE_SOCKETS)) as ours,
    ):
        drill = Drill(ours, nats_server, simulator, leases, seed=1)
        await drill.joined(ON_THREE_SOCKETS, within=40)
        began = time.time() + 1
        await asyncio.sleep(3)
        frozen = max(ours.replicas.values(), key=lambda one: len(leases.held_by(one.name)))
        drill.record.note(f"froze {frozen.name}, which held {leases.held_by(frozen.name)}")
        frozen.freeze()
        await asyncio.sleep(FROZEN)
        frozen.thaw()
        drill.record.note("thawed it")
        try:
            await drill.joined(ON_THREE_SOCKETS, within=WELL_WITHIN)
        finally:
            await drill.ask_upstream()
            print(drill.record.story())  # noqa: T201 - worth reading when it passes
        await asyncio.sleep(6)
        await simulator.control.pause()
        async with open_bus(url=nats_server.url, name="drill/books", connect_within=10) as bus:
            await at_rest(bus)
            stored, told = await stored_ids(bus), map(announced, await gaps(bus))
        found = audit(said(journal, ON_THREE_SOCKETS, began), stored, told)

        assert found.whole, found.summary()
        assert len(drill.record.exceeded) <= 2 * SOCKETS, "a refused slot rests instead of storming"
