"""Four replicas share three sockets while everything around them is hurt.

Nothing is exceeded, nothing is lost in silence, nothing comes twice. `DRILL_SECONDS` sets how long it
is hurt (75 where it is not set), `DRILL_SEED` what happens.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.chaos.blows import blows
from tests.chaos.books import announced, at_rest, gaps, said, stored_ids
from tests.chaos.drill import Drill, Exceeded, Record, Span
from tests.chaos.fleet import fleet
from tests.chaos.leases_seen import Takeover, watching_leases
from tests.chaos.ledger import Audit, audit

from baleen_bus import open_bus
from baleen_bus.buckets import LEASE_TTL_ALONE
from baleen_bus.testing import NatsServer
from uw_simulator.market.universe import LISTINGS
from uw_simulator.testing import Simulator

SECONDS = float(os.environ.get("DRILL_SECONDS", "75"))
SEED = int(os.environ.get("DRILL_SEED", "3"))
NAMES = ("ada", "bea", "cyd", "dot")
GLOBAL = (
    "option_trades",
    "flow-alerts",
    "lit_trades",
    "off_lit_trades",
    "market_tide",
    "news",
    "trading_halts",
)
TICKERS = tuple(listing.symbol for listing in LISTINGS)
ON_TWO_SOCKETS = (*GLOBAL, *(f"net_flow:{ticker}" for ticker in TICKERS))
ON_THREE_SOCKETS = (
    *ON_TWO_SOCKETS,
    *(
        f"{kind}:{ticker}"
        for kind in ("price", "gex", "gex_strike", "gex_strike_expiry", "interpolated_iv", "periscope")
        for ticker in TICKERS[:7]
    ),
)
"""More than two sockets can join, and of no kind so many that a channel of all tickers stands for them."""
SOCKETS = 3
MARGIN = 1.5  # seconds, for leases of six
BOUND = LEASE_TTL_ALONE + MARGIN + 1  # seconds in which a dead holder's lease is somebody else's
FROZEN_AT_MOST = LEASE_TTL_ALONE - MARGIN  # seconds of a freeze that upstream must not notice
SETTLE = 2.0  # seconds in which everybody is back on a bus that is back
NOTICED_WITHIN = 2.0  # seconds after a freeze in which its extra socket is gone


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("channels", [ON_TWO_SOCKETS, ON_THREE_SOCKETS], ids=["a_free_slot", "no_free_slot"])
async def test_everything_is_hurt_and_nothing_is_lost_or_exceeded(
    nats_server: NatsServer, tmp_path: Path, channels: Sequence[str]
) -> None:
    """Kills, freezes, leavings, outages of the bus and cuts by upstream, as a seed decides them."""
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
        fleet(nats_server, simulator, NAMES, tmp_path, channels=",".join(channels)) as ours,
    ):
        drill = Drill(ours, nats_server, simulator, leases, SEED)
        await drill.joined(channels, within=40)
        began = time.time() + 1
        drill.record.note(f"begins, seed {SEED}")
        await drill.carry_out(blows(SEED, SECONDS, len(NAMES)))
        await drill.heal(channels)
        await asyncio.sleep(6)  # whatever is quiet has spoken again
        await simulator.control.pause()
        await drill.ask_upstream()
        async with open_bus(url=nats_server.url, name="drill/books", connect_within=10) as bus:
            await at_rest(bus)
            found = audit(
                said(journal, channels, began), await stored_ids(bus), map(announced, await gaps(bus))
            )
        told = _report(drill.record, found, drill.record.takeovers(leases))
        (tmp_path / "report.txt").write_text(told + "\n\n" + drill.record.story())
        print(told)  # noqa: T201 - the figures of a drill are worth reading when it passes
        wrong = _wrong(drill.record, found, drill.record.takeovers(leases))
        assert not wrong, "\n".join([*wrong, told, drill.record.story(), f"logs in {tmp_path}"])


def _wrong(record: Record, found: Audit, takeovers: Sequence[Takeover]) -> list[str]:
    """Every broken promise in words."""
    wrong = [f"upstream counted {each.what} at {each.at:.3f}" for each in _unexcused(record)]
    wrong += [f"late: {took}" for took in takeovers if not _in_time(took, record)]
    wrong += [] if found.whole else ["the books do not agree"]
    wrong += [] if found.said > 10 * SECONDS else [f"upstream said next to nothing: {found.said}"]
    return wrong + [words for _, words in record.events if words.startswith("STUCK")]


def _unexcused(record: Record) -> list[Exceeded]:
    """The violations that no long freeze explains: then the socket too many is the frozen process's."""
    long = [
        Span(freeze.began + FROZEN_AT_MOST, freeze.ended + NOTICED_WITHIN)
        for freeze in record.freezes
        if freeze.ended - freeze.began > FROZEN_AT_MOST
    ]
    return [
        each
        for each in record.exceeded
        if each.what != "sockets_over_limit" or not any(s.began <= each.at <= s.ended for s in long)
    ]


def _in_time(took: Takeover, record: Record) -> bool:
    """Tell whether a lease was taken within the bound, outages of the bus left out."""
    ended = took.taken_at if took.taken_at is not None else time.time()
    span = Span(took.died_at, ended)
    return ended - took.died_at - record.bus_was_away(span, SETTLE) <= BOUND


def _report(record: Record, found: Audit, takeovers: Sequence[Takeover]) -> str:
    """The figures of a drill."""
    times = sorted(took.took for took in takeovers if took.took is not None)
    longest = max((gap.ended_at - gap.started_at for gap in found.gaps), default=0.0)
    excused = len(record.exceeded) - len(_unexcused(record))
    lines = [
        found.summary(),
        f"most sockets {record.most_sockets}",
        f"violations {len(record.exceeded)}, of them by long freezes {excused}",
        f"leases of the dead {len(takeovers)}, taken after {[round(t, 1) for t in times]} s, bound {BOUND} s",
        f"longest gap {longest:.1f} s",
        f"the bus was away {len(record.outages)} times",
    ]
    return "\n".join(lines)
