"""Replicas of the bridge are killed while alerts come and go: each accepted alert ends, and is accounted for.

    ALERT_DRILL_KILLS=200 ALERT_DRILL_SEED=7 .venv/bin/python -m pytest -m slow -s tests/alerts

Three destinations: `alerts` is told everything, `desk` everything but repeats by title, `critical` takes
nothing of what it is told. A kill falls at a random moment after its victim was seen at work.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.alerts.bridges import Bridge, account_of, all_ready, ending, rules_file, write_sources
from tests.alerts.posting import Poster, embed, marks_of, out_of_order, repeats_in
from tests.chaos.fleet import until

from discord_simulator.testing import SimulatedDiscord

KILLS = int(os.environ.get("ALERT_DRILL_KILLS", "20"))
SEED = int(os.environ.get("ALERT_DRILL_SEED", "0")) or int(time.time())
EACH_WITHIN = 60.0  # seconds from one kill to the next
STUCK_AFTER = 60.0  # seconds after the last kill in which nothing ended although something is in flight
LONGEST_AIM = 0.6  # seconds after the victim was seen at work
PACKED = 10  # alerts that one message holds, and so those that one kill may leave in doubt
LIMITS = {"webhook_limit": 40, "webhook_window": 1.0, "channel_limit": 400, "channel_window": 10.0}
DESTINATIONS = ("alerts", "critical", "desk")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + KILLS * 30)]


class Source(Poster):
    """A poster whose alerts differ in what becomes of them."""

    def __init__(self, source: str, bridges: Sequence[Bridge], path: str) -> None:
        super().__init__(source, bridges, path, self._body)

    def _body(self, number: int) -> Mapping[str, Any]:
        shown = embed(f"{self.source}-{number}")
        again = number - 1 if repeats(number) else number
        kind = "refused" if refused(number) else "told"
        return {"embeds": [{**shown, "title": f"{self.source} {again}"}], "alert_type": kind}


def repeats(number: int) -> bool:
    """Whether the alert has the title of the one before."""
    return number % 3 == 2


def refused(number: int) -> bool:
    """Whether its type is that which only `critical` is told, and does not take."""
    return number % 20 == 7


def number_of(mark: str) -> int:
    """The number of an alert among those of its source."""
    return int(mark.rpartition("-")[2])


def rules(folder: Path, discord: SimulatedDiscord) -> Path:
    """The rules of the drill."""
    destinations = {
        name: {
            "type": "discord",
            "url": discord.url_of(name),
            "channel_messages": LIMITS["channel_limit"],
            "channel_seconds": LIMITS["channel_window"],
        }
        for name in DESTINATIONS
    }
    return rules_file(
        folder,
        destinations,
        routes=[
            {"name": "everything", "to": ["alerts"], "go_on": True},
            {"name": "once", "to": ["desk"], "dedupe": {"by": ["title"], "within": "10m"}, "go_on": True},
            {"name": "refused", "types": ["refused"], "to": ["critical"]},
        ],
    )


async def served(bridges: Sequence[Bridge]) -> dict[str, Any] | None:
    """The account as any living replica tells it, once each destination is served."""
    account = await told_by_any(bridges)
    fine = all(account.get(name, {}).get("served_by") for name in DESTINATIONS)
    return account if fine else None


async def told_by_any(bridges: Sequence[Bridge]) -> dict[str, Any]:
    """The account as any living replica tells it; nothing while none can."""
    for bridge in bridges:
        if bridge.port:
            try:
                return await account_of(bridge)
            except httpx.HTTPError:
                continue
    return {}


async def said_so_far(discord: SimulatedDiscord) -> int:
    """How many messages the pretend Discord took."""
    return int((await discord.state())["counts"].get("said", 0))


async def kill_one(bridges: Sequence[Bridge], discord: SimulatedDiscord, choice: random.Random) -> None:
    """Kill a replica at a random moment after messages were seen to go out, and let it live again."""
    before = await said_so_far(discord)

    async def at_work() -> bool:
        return await said_so_far(discord) >= before + 2

    await until(at_work, "messages go out after a kill", EACH_WITHIN, every=0.02)
    victim = choice.choice(bridges)
    await asyncio.sleep(choice.uniform(0, LONGEST_AIM))  # the random moment itself, not a wait for luck
    victim.kill()
    if choice.random() < 0.3:
        await asyncio.sleep(choice.uniform(0, 4))  # long enough, at times, for the other to take over
    victim.start()


async def quiet(bridges: Sequence[Bridge], alerts: int) -> dict[str, Any]:
    """The account once every destination has all alerts and nothing is in flight."""
    loop = asyncio.get_running_loop()
    account: dict[str, Any] = {}
    ended, since = -1, loop.time()
    while not account or not all(settled(one, alerts) for one in account.values()):
        assert loop.time() < since + STUCK_AFTER, f"nothing ends any more: {account}"
        await asyncio.sleep(0.5)
        account = await served(bridges) or account
        if (now := sum(map(ends_of, account.values()))) != ended:
            ended, since = now, loop.time()
    return account


def settled(one: Mapping[str, Any], alerts: int) -> bool:
    """Whether a destination has all alerts, and each ended."""
    return one["accepted"] == alerts and not one["in_flight"] and not one["unaccounted"]


def ends_of(one: Mapping[str, Any]) -> int:
    """How many alerts ended at a destination."""
    return int(one["delivered"]) + sum(one["suppressed"].values()) + sum(one["dead"].values())


async def test_killed_replicas_lose_nothing_and_account_for_all(nats_server, tmp_path):
    """Kill -9, again and again: every accepted alert ended, repeats are few and counted, order was kept."""
    choice = random.Random(SEED)  # noqa: S311 - moments of a drill
    print(f"ALERT_DRILL_SEED={SEED} ALERT_DRILL_KILLS={KILLS}")  # noqa: T201 - to repeat it
    sources = tmp_path / "sources.json"
    paths = write_sources(sources, "monitor", "scanner")
    async with SimulatedDiscord.subprocess(latency=0.03, keep=200_000, **LIMITS) as discord:
        await discord.arm("status", status=400, count=None, webhook="critical")
        variables = {
            "ALERT_BRIDGE_SOURCES": str(sources),
            "ALERT_BRIDGE_RULES": str(rules(tmp_path, discord)),
        }
        bridges = [Bridge(name, nats_server.url, tmp_path, variables) for name in ("one", "two")]
        with ending(*bridges):
            await all_ready(*bridges)
            await until(lambda: served(bridges), "every destination is served", 30)
            posters = [Source(name, bridges, path) for name, path in paths.items()]
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for poster in posters:
                    tasks.create_task(poster.post_until(stop, pause=0.03))
                for _ in range(KILLS):
                    await kill_one(bridges, discord, choice)
                stop.set()
            accepted = [mark for poster in posters for mark in poster.accepted]
            account = await quiet(bridges, len(accepted))
            lives = await lives_of(bridges[0], random.Random(SEED).sample(accepted, 30))  # noqa: S311
        entries = await discord.entries()
    judge(accepted, account, entries)
    assert all(chapter["state"] in {"delivered", "suppressed", "dead"} for life in lives for chapter in life)


def judge(accepted: list[str], account: Mapping[str, Any], entries: list[dict[str, Any]]) -> None:
    """Compare what was accepted with what was said, and both with the account."""
    heard = {name: marks_of(entry for entry in entries if entry["webhook"] == name) for name in DESTINATIONS}
    dead = {mark for mark in accepted if refused(number_of(mark))}
    again = {mark for mark in accepted if repeats(number_of(mark))}
    told = {"alerts": set(accepted), "desk": set(accepted) - again, "critical": set()}
    ends = {"alerts": (0, 0), "desk": (len(again), 0), "critical": (len(accepted) - len(dead), len(dead))}
    for name in DESTINATIONS:
        repeated, one = repeats_in(heard[name]), account[name]
        print(  # noqa: T201 - figures
            f"{name}: {len(accepted)} accepted, {len(set(heard[name]))} told, {repeated} repeats, "
            f"{one['possible_duplicates']} possible"
        )
        assert set(heard[name]) == told[name]
        assert one["delivered"] == len(told[name])
        assert (sum(one["suppressed"].values()), sum(one["dead"].values())) == ends[name]
        assert repeated <= one["possible_duplicates"] <= PACKED * (KILLS + 1)
        assert out_of_order(heard[name]) == []


async def lives_of(bridge: Bridge, marks: Sequence[str]) -> list[list[dict[str, Any]]]:
    """What became of some alerts, as each replica tells it of any."""
    async with httpx.AsyncClient(base_url=bridge.http, timeout=30) as client:
        answers = [await client.get(f"/alerts/{mark}") for mark in marks]
    return [answer.raise_for_status().json()["alerts"][0]["life"] for answer in answers]
