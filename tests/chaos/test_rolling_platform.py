"""Two replicas of everything on one bus are restarted, one after the other, under load: nothing is lost.

Upstream speaks, alerts are posted, clients of the native protocol and of older ones listen. Then everything
comes to rest, and books that were kept apart are compared.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.alerts.test_killed_bridge import settled, told_by_any
from tests.chaos.books import announced, at_rest, gaps, said, stored_ids
from tests.chaos.fleet import until
from tests.chaos.ledger import Audit, audit
from tests.chaos.rolling import READY_WITHIN, restart_in_turn
from tests.chaos.rolling_judge import (
    Alerts,
    NativeRecord,
    OlderRecord,
    Run,
    figures,
    total,
    wrong_in_run,
)
from tests.chaos.travellers import FLOW_ALERT, MARK, Crowd, Patient, crowd, of_stream
from tests.chaos.two_of_each import CHANNELS, RATE, TwoOfEach, two_of_each
from tests.stream.publishing import stored

from baleen_bus import Bus, open_bus
from baleen_bus.reading import Delivered, fetch_after
from baleen_bus.testing import NatsServer

PAUSE = 0.05  # seconds between two alerts of a source
CALM = 2.0  # seconds between two restarts
SETTLES_WITHIN = 60.0
STREAMS = ("TAPE", "ALERT")
"""Those whose every message counts for our clients."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


async def roll(nats: NatsServer, folder: Path) -> Run:
    """Restart everybody under load, then let everything come to rest and read the books."""
    async with two_of_each(nats, folder) as ours, AsyncExitStack() as stack:
        listeners = crowd(ours.gateways)
        posters = [Patient(name, ours.bridges, path) for name, path in ours.sources.items()]
        staying = [asyncio.create_task(client.stay()) for client in listeners.everybody]
        stack.push_async_callback(_end, staying)
        await until(lambda: all(c.live.is_set() for c in listeners.natives), "all are served", READY_WITHIN)
        await until(ours.all_joined, "every channel is joined", READY_WITHIN)
        began = time.time() + 1
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for poster in posters:
                tasks.create_task(poster.post_until(stop, PAUSE))
            restarts = await restart_in_turn(ours.members(), CALM)
            stop.set()
        await ours.simulator.control.pause()
        user = nats.credentials("team")
        async with open_bus(url=nats.url, name="drill/books", connect_within=10, **user) as bus:
            await at_rest(bus)
            return Run(
                restarts=restarts,
                upstream=await _upstream(bus, folder / "journal", began),
                alerts=await _alerts(bus, ours, posters),
                natives=await _natives(bus, listeners),
                older=await _older(bus, listeners),
                violations=(await ours.simulator.control.history())["violations"],
                answers=total([poster.answers for poster in posters]),
                slowest_post=max(poster.slowest for poster in posters),
            )


async def _upstream(bus: Bus, journal: Path, began: float) -> Audit:
    told = [gap for gap in await gaps(bus) if gap.ended_at.timestamp() >= began]
    return audit(said(journal, CHANNELS, began), await stored_ids(bus), map(announced, told))


async def _alerts(bus: Bus, ours: TwoOfEach, posters: Sequence[Patient]) -> Alerts:
    accepted = [mark for poster in posters for mark in poster.accepted]

    async def account_settled() -> Mapping[str, Any] | None:
        account = (await told_by_any(ours.bridges)).get("alerts")
        return account if account and settled(account, len(accepted)) else None

    account = await until(account_settled, "every alert ended", SETTLES_WITHIN)
    marks = await _marks(bus, "ALERT", "alert.>", MARK)
    refused = (await ours.discord.state())["counts"].get("status_429", 0)
    return Alerts(accepted, marks, await ours.discord.entries(webhook="alerts"), account, refused)


async def _natives(bus: Bus, listeners: Crowd) -> list[NativeRecord]:
    kept = {stream: await stored(bus, stream) for stream in STREAMS}
    wanted = [
        {stream: _since(kept[stream].of(client.topics), client.began.get(stream, 0)) for stream in STREAMS}
        for client in listeners.natives
    ]

    def all_heard() -> bool:
        pairs = zip(listeners.natives, wanted, strict=True)
        return all(len(of_stream(client, name)) >= len(all_[name]) for client, all_ in pairs for name in all_)

    with contextlib.suppress(AssertionError):  # the judge says what is missing
        await until(all_heard, "all is heard", 30, every=0.5)
    return [
        NativeRecord(
            heard={stream: of_stream(client, stream) for stream in STREAMS},
            wanted=each,
            gaps=client.gaps,
            could_resume=all(client.recovered[1:]),
            away=client.away,
        )
        for client, each in zip(listeners.natives, wanted, strict=True)
    ]


async def _older(bus: Bus, listeners: Crowd) -> list[OlderRecord]:
    kept = {
        MARK: await _marks(bus, "ALERT", "alert.>", MARK),
        FLOW_ALERT: await _marks(bus, "TAPE", "uw.v1.flow_alert.>", FLOW_ALERT),
    }
    return [OlderRecord(elder.path, elder.records, kept[elder.key]) for elder in listeners.elders]


def _since(numbers: Sequence[int], first: int) -> list[int]:
    return [number for number in numbers if number > first]


async def _marks(bus: Bus, stream: str, pattern: str, key: re.Pattern[bytes]) -> list[str]:
    found: list[str] = []

    def note(item: Delivered) -> None:
        if mark := key.search(item.body):
            found.append(mark[1].decode())

    await fetch_after(bus, stream, pattern, 0, note)
    return found


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_everything_is_restarted_under_load_and_nothing_is_lost(
    nats_server_with_users: NatsServer, tmp_path: Path
) -> None:
    """All six leave with 0 in their time, and every book agrees with every other."""
    run = await roll(nats_server_with_users, tmp_path)

    print(figures(run))  # noqa: T201 - the figures are worth reading when it passes
    assert wrong_in_run(run) == []
    assert run.upstream.said > 6 * CALM * RATE, "upstream was too slow for this to say anything"
    assert len(run.alerts.accepted) > 100, "too few alerts for this to say anything"
    assert all(client.away for client in run.natives), "a client never had to come back"
    assert all(len(client.heard) > 1 and max(map(len, client.heard)) > 10 for client in run.older)
