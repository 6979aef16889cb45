"""A burst of alerts into Discord's limits: nothing lost, in order, as fast as the limits allow."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.alerts.bridges import Bridge, account_of, all_ready, ending, rules_file, write_sources
from tests.alerts.posting import Poster, least_seconds, marks_of, out_of_order, repeats_in
from tests.chaos.fleet import until

from baleen_bus.testing import NatsServer
from discord_simulator.testing import SimulatedDiscord

ALERTS = 5_000
PACKED = 10  # embeds that a message holds
SCALE = 0.04  # of Discord's windows: thirty messages per 2.4 s, five per 0.08 s
LOSS_OF_TIME = 1.2  # times what the limits allow
STARTING = (
    1.0  # second that the first message may wait for the alerts that fill it, and the last for its answer
)
NO_ANSWER_WITHIN = 10.0  # seconds that the bridge waits for an answer
FIRST_BACK_OFF = 1.0  # second, at most, before a message that failed once is sent again
FAR_BELOW = 100  # answers that count towards the ban at 10,000


@asynccontextmanager
async def delivering(
    nats: NatsServer, folder: Path, discord: SimulatedDiscord, *names: str, **more: Any
) -> AsyncIterator[tuple[Bridge, dict[str, str]]]:
    """A bridge that tells everything to the webhooks called *names*; and the paths of two sources."""
    figures = (await discord.state())["figures"]
    destinations = {
        name: {
            "type": "discord",
            "url": discord.url_of(name),
            "channel_messages": figures["channel_limit"],
            "channel_seconds": figures["channel_window"],
            **more,
        }
        for name in names
    }
    routes = [{"name": "theirs", "sources": ["monitor", "scanner"], "to": list(names)}]
    sources = folder / "sources.json"
    paths = write_sources(sources, "monitor", "scanner")
    variables = {
        "ALERT_BRIDGE_SOURCES": str(sources),
        "ALERT_BRIDGE_RULES": str(rules_file(folder, destinations, routes)),
    }
    bridge = Bridge("bridge", nats.url, folder, variables)
    with ending(bridge):
        await all_ready(bridge)
        await until(lambda: all_served(bridge, names), "every destination is served", 30)
        yield bridge, paths


async def all_served(bridge: Bridge, names: tuple[str, ...]) -> bool:
    """Whether somebody serves each destination."""
    account = await account_of(bridge)
    return all(name in account and account[name]["state"] == "running" for name in names)


async def nothing_in_flight(bridge: Bridge, name: str, alerts: int) -> dict[str, Any] | None:
    """The account of a destination once it has all the alerts and none is under way."""
    account = (await account_of(bridge)).get(name, {})
    settled = account.get("accepted", 0) >= alerts and account["in_flight"] == 0
    return account if settled and not account["unaccounted"] else None


async def post_all(bridge: Bridge, paths: dict[str, str], alerts: int) -> None:
    """Post from both sources at once, each alert after the one before."""
    posters = [Poster(source, [bridge], path) for source, path in paths.items()]
    await asyncio.gather(*(poster.post(alerts // len(posters)) for poster in posters))


async def pent_up(bridge: Bridge, paths: dict[str, str], discord: SimulatedDiscord) -> None:
    """Post everything while the webhook is gone, so that all of it waits when somebody acts."""
    await discord.arm("status", status=404, count=None, webhook="alerts")
    await post_all(bridge, paths, ALERTS)
    await until(lambda: is_stopped(bridge), "the destination is stopped", 30)
    await discord.disarm()


async def is_stopped(bridge: Bridge) -> bool:
    """Whether nothing is sent until somebody acts."""
    return bool((await account_of(bridge))["alerts"]["state"] == "stopped")


async def released(
    bridge: Bridge, discord: SimulatedDiscord, within: float
) -> tuple[float, list[dict[str, Any]], dict[str, Any]]:
    """Act: seconds from the first message to the last, what was said, and the account."""
    async with httpx.AsyncClient(base_url=bridge.http) as client:
        (await client.post("/destinations/alerts/resume")).raise_for_status()
    account = await until(
        lambda: nothing_in_flight(bridge, "alerts", ALERTS), "every alert ended", within, every=0.2
    )
    entries = await discord.entries(webhook="alerts")
    return entries[-1]["at"] - entries[0]["at"], entries, account


def judge(entries: list[dict[str, Any]], account: dict[str, Any], alerts: int, *, in_vain: int = 0) -> None:
    """Everything arrived, in its source's order, and the account says so.

    Args:
        entries: what was said.
        account: of the destination.
        alerts: how many were posted.
        in_vain: how many had to be suspected of having been taken, and were not.
    """
    marks = marks_of(entries)
    wanted = {f"{source}-{number}" for source in ("monitor", "scanner") for number in range(alerts // 2)}
    assert set(marks) == wanted
    assert out_of_order(marks) == []
    assert account["delivered"] == alerts
    assert (account["dead"], account["unaccounted"]) == ({}, 0)
    assert set(account["suppressed"]) <= {"not_routed"}, "only what the bridge itself has to say"
    assert repeats_in(marks) + in_vain == account["possible_duplicates"]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_burst_takes_no_longer_than_the_limits_allow(nats_server, tmp_path):
    """Five thousand alerts of two sources: packed, none refused, within 1.2 times the least time."""
    async with (
        SimulatedDiscord.subprocess(limits_scale=SCALE) as discord,
        delivering(nats_server, tmp_path, discord, "alerts") as (bridge, paths),
    ):
        least = least_seconds(math.ceil(ALERTS / PACKED), (await discord.state())["figures"])
        await pent_up(bridge, paths, discord)
        before = (await discord.state())["counts"]
        seconds, entries, account = await released(bridge, discord, within=least * 3)
        after = (await discord.state())["counts"]

    print(f"said in {seconds:.1f} s; the limits allow {least:.1f} s")  # noqa: T201 - a figure
    judge(entries, account, ALERTS)
    assert len(entries) == math.ceil(ALERTS / PACKED)
    assert after.get("status_429", 0) == before.get("status_429", 0) == 0, "it knew the limits"
    assert seconds <= LOSS_OF_TIME * least + STARTING


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_faults_in_a_burst_lose_nothing_and_are_not_provoked(nats_server, tmp_path):
    """Refusals of every kind, failures, and answers that never come: each costs its own wait, and no more."""
    refusals = [
        {"kind": "rate_limited", "seconds": 0.7, "every": 60, "count": 5},
        {"kind": "rate_limited_bare", "seconds": 0.7, "every": 50, "count": 5},
        {"kind": "cloudflare", "seconds": 1, "every": 170, "count": 2},
    ]
    failures = [{"kind": "status", "status": 503, "every": 70, "count": 4}]
    in_vain = {"kind": "reset", "every": 110, "count": 2}
    doubts = [
        {"kind": "taken_silence", "every": 230, "count": 1},
        {"kind": "taken_reset", "every": 90, "count": 3},
        {"kind": "taken_garbage", "every": 120, "count": 2},
        {"kind": "taken_status", "status": 504, "every": 75, "count": 2},
    ]
    async with (
        SimulatedDiscord.subprocess(limits_scale=SCALE) as discord,
        delivering(nats_server, tmp_path, discord, "alerts") as (bridge, paths),
    ):
        await pent_up(bridge, paths, discord)
        for fault in (*refusals, *failures, in_vain, *doubts):
            await discord.arm(**fault, webhook="alerts")
        figures = (await discord.state())["figures"]
        again = sum(fault["count"] for fault in doubts)
        least = least_seconds(math.ceil(ALERTS / PACKED) + again, figures)
        waits = sum(fault["seconds"] * fault["count"] for fault in refusals)
        waits += FIRST_BACK_OFF * sum(fault["count"] for fault in (*failures, in_vain, *doubts))
        waits += NO_ANSWER_WITHIN
        seconds, entries, account = await released(bridge, discord, within=least * 3 + waits)
        state = await discord.state()

    print(f"said in {seconds:.1f} s; limits {least:.1f} s, faults {waits:.1f} s")  # noqa: T201 - a figure
    armed = Counter({fault["kind"]: fault["count"] for fault in (*refusals, *failures, in_vain, *doubts)})
    assert Counter(state["struck"]) - Counter(status=1) >= armed, "a fault did not strike"
    judge(entries, account, ALERTS, in_vain=PACKED * in_vain["count"])
    assert repeats_in(marks_of(entries)) == state["duplicates"]["alerts"]
    assert sum(state["invalid_requests"].values()) <= FAR_BELOW
    assert seconds <= LOSS_OF_TIME * least + waits + STARTING


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "taken_slow", "seconds": 3},
        {"kind": "status", "status": 404},
        {"kind": "rate_limited", "seconds": 60},
        {"kind": "status", "status": 503},
    ],
    ids=["slow", "gone", "limited", "failing"],
)
async def test_a_destination_in_trouble_delays_no_other(nats_server, tmp_path, fault):
    """One is told everything while the other has hardly begun."""
    alerts = 200
    async with (
        SimulatedDiscord.in_process(limits_scale=SCALE) as discord,
        delivering(nats_server, tmp_path, discord, "alerts", "desk") as (bridge, paths),
    ):
        await discord.arm(**fault, count=None, webhook="desk")
        await post_all(bridge, paths, alerts)
        account = await until(
            lambda: nothing_in_flight(bridge, "alerts", alerts), "every alert ended", 60, every=0.1
        )
        troubled = (await account_of(bridge))["desk"]
        entries = await discord.entries(webhook="alerts")

    judge(entries, account, alerts)
    assert troubled["in_flight"] > 0
    assert troubled["in_flight"] + troubled["delivered"] >= alerts
    assert troubled["unaccounted"] == 0


@pytest.mark.slow
async def test_two_webhooks_of_one_channel_share_its_limit_unasked(nats_server, tmp_path):
    """No header tells a channel's limit: the bridge learns whose channel it is, and is never refused."""
    alerts = 400
    async with (
        SimulatedDiscord.in_process(limits_scale=SCALE) as discord,
        delivering(nats_server, tmp_path, discord, "alerts", "critical") as (bridge, paths),
    ):
        await post_all(bridge, paths, alerts)
        for name in ("alerts", "critical"):
            account = await until(
                partial(nothing_in_flight, bridge, name, alerts), "every alert ended", 60, every=0.1
            )
            judge(await discord.entries(webhook=name), account, alerts)
        state = await discord.state()

    assert state["counts"]["said"] > state["figures"]["channel_limit"], "the limit was never reached"
    assert state["counts"].get("status_429", 0) == 0
