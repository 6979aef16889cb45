"""Every replica is restarted, one after another, while upstream says 5,000 frames a second."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.chaos.books import announced, at_rest, gaps, said, stored_ids
from tests.chaos.drill import Drill
from tests.chaos.fleet import fleet
from tests.chaos.leases_seen import watching_leases
from tests.chaos.ledger import Audit, audit

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.feed import FeedGap
from uw_simulator.testing import Simulator

NAMES = ("ada", "bea", "cyd")
CHANNELS = ("option_trades", "flow-alerts", "off_lit_trades", "lit_trades")
RATE = 5_000  # option trades a second
BETWEEN = 3.0  # seconds of calm between two restarts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def restart_everybody(
    nats: NatsServer, folder: Path, *, slots: int
) -> tuple[Audit, list[FeedGap], Drill]:
    """Restart each replica by SIGTERM; return what the books say, the gaps since then, and who did it."""
    journal = folder / "journal"
    async with (
        Simulator.subprocess(
            source="synthetic", rate=RATE, max_sockets=slots, journal=journal, backlog_bytes=64 << 20
        ) as simulator,
        watching_leases(nats) as leases,
        fleet(nats, simulator, NAMES, folder, slots=slots, channels=",".join(CHANNELS)) as ours,
    ):
        drill = Drill(ours, nats, simulator, leases, seed=1)
        await drill.joined(CHANNELS, within=40)
        began = time.time() + 1
        for replica in ours.replicas.values():
            await asyncio.sleep(BETWEEN)
            drill.record.note(f"restarts {replica.name}, which holds {leases.held_by(replica.name)}")
            replica.ask_to_leave()
            assert await replica.left() == 0, replica.last_words()
            drill.record.note("left")
            replica.start()
            await replica.listening()
            await drill.joined(CHANNELS, within=20)
        await asyncio.sleep(BETWEEN)
        await simulator.control.pause()
        await drill.ask_upstream()
        async with open_bus(url=nats.url, name="drill/books", connect_within=10) as bus:
            await at_rest(bus)
            told = [gap for gap in await gaps(bus) if gap.ended_at.timestamp() >= began]
            found = audit(said(journal, CHANNELS, began), await stored_ids(bus), map(announced, told))
    print(found.summary(), drill.record.story(), sep="\n")  # noqa: T201 - worth reading when it passes
    assert found.said > RATE * BETWEEN * len(NAMES), "upstream was too slow for this to say anything"
    assert drill.record.exceeded == []
    return found, told, drill


async def test_with_a_free_slot_nothing_is_missed(nats_server: NatsServer, tmp_path: Path) -> None:
    """The new socket hears before the old one goes: everything is stored once, and no gap is announced."""
    found, told, drill = await restart_everybody(nats_server, tmp_path, slots=3)

    assert found.whole, f"{found.summary()}\n{drill.record.story()}"
    assert found.covered == ()
    assert told == [], f"{told}\n{drill.record.story()}"


async def test_without_a_free_slot_what_is_missed_is_announced(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """One socket cannot be in two processes: each change of hands is a gap, and nothing else is missing."""
    found, told, drill = await restart_everybody(nats_server, tmp_path, slots=1)

    assert found.whole, f"{found.summary()}\n{drill.record.story()}"
    assert {gap.feed for gap in told} <= {"option_trade", "flow_alert", "dark_pool", "lit_trade"}
    assert "option_trade" in {gap.feed for gap in told}
    for gap in told:
        assert gap.before_id is not None or gap.after_id is not None, gap
