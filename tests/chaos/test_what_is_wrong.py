"""Each way in which upstream refuses: an operator who reads `/budget` knows what is wrong and what to do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.fleet import Replica, fleet, until

from baleen_bus.testing import NatsServer
from uw_simulator.testing import BASIC_TOKEN, TOKEN, Simulator

pytestmark = pytest.mark.slow

CHANNELS = ("option_trades", "flow-alerts", "lit_trades", "off_lit_trades", "market_tide", "news")


@asynccontextmanager
async def replica(
    nats: NatsServer, simulator: Simulator, folder: Path, **settings: Any
) -> AsyncIterator[Replica]:
    """One replica that wants a few channels."""
    given = {"channels": ",".join(CHANNELS), **settings}
    async with fleet(nats, simulator, ["ada"], folder, **given) as ours:
        yield ours["ada"]


async def trouble(ada: Replica, *words: str, within: float = 20) -> dict[str, str]:
    """Wait until `/budget` names a trouble in which all the words stand; it must say what to do.

    The page never holds the token.
    """
    page: dict[str, Any] = {}

    async def named() -> dict[str, str] | None:
        page.update(await ada.ask("/budget"))
        found: list[dict[str, str]] = page["trouble"]
        return next((each for each in found if all(word in json.dumps(each) for word in words)), None)

    try:
        one: dict[str, str] = await until(named, f"a trouble with {words}", within, every=0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}; /budget says {json.dumps(page)[:3000]}") from None
    assert len(one["do"]) > 10, one
    assert not any(token in json.dumps(page) for token in (TOKEN, BASIC_TOKEN))
    return one


async def test_a_token_without_the_scope(nats_server: NatsServer, tmp_path: Path) -> None:
    """401 with the scope text: upstream is not asked for sockets again, and the plan is named."""
    async with (
        Simulator.in_process() as simulator,
        replica(nats_server, simulator, tmp_path, token=BASIC_TOKEN) as ada,
    ):
        found = await trouble(ada, "websocket scope")
        tried = (await simulator.control.state())["counts"]["handshakes_401"]
        await asyncio.sleep(3)
        feeds = (await ada.ask("/budget"))["feeds"]

        assert "plan" in found["do"]
        assert feeds["option_trade"]["state"] == "not_entitled"
        assert (await simulator.control.state())["counts"]["handshakes_401"] == tried


async def test_a_front_door_that_turns_the_user_agent_away(nats_server: NatsServer, tmp_path: Path) -> None:
    """403 is not the token's fault, and the page says whose."""
    async with (
        Simulator.subprocess(blocked_agents="Mozilla") as simulator,
        replica(nats_server, simulator, tmp_path) as ada,
    ):
        found = await trouble(ada, "403")

        assert "front door" in found["do"]


async def test_more_joins_than_upstream_takes(nats_server: NatsServer, tmp_path: Path) -> None:
    """The join after the last: the rest is not lost in silence, and upstream is not pestered with it."""
    async with (
        Simulator.in_process(max_joins=4) as simulator,
        replica(nats_server, simulator, tmp_path, slots=1) as ada,
    ):
        found = await trouble(ada, "limit")
        exceeded = (await simulator.control.violations())["joins_over_limit"]
        await asyncio.sleep(3)

        assert "UW_INGEST_SLOTS" in found["do"] or "global channel" in found["do"]
        assert (await simulator.control.violations())["joins_over_limit"] == exceeded <= 2
        assert len((await simulator.control.state())["connections"][0]["joined"]) == 4


async def test_a_socket_that_is_closed_right_after_it_was_accepted(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """A clean close at once is a refusal: the slot rests instead of storming."""
    async with Simulator.in_process() as simulator:
        await simulator.control.close_after_accept(1_000)
        async with replica(nats_server, simulator, tmp_path) as ada:
            found = await trouble(ada, "closed at once")
            await asyncio.sleep(5)

            assert "UW_INGEST_SLOTS" in found["do"]
            assert (await simulator.control.state())["counts"]["handshakes_accepted"] <= 2


async def test_a_storm_of_503(nats_server: NatsServer, tmp_path: Path) -> None:
    """Upstream is in trouble: asked with growing pauses, joined as soon as it is well."""
    async with Simulator.in_process() as simulator:
        await simulator.control.refuse(1_000, status=503)
        async with replica(nats_server, simulator, tmp_path) as ada:
            found = await trouble(ada, "503")
            await asyncio.sleep(5)
            assert (await simulator.control.state())["counts"]["handshakes_503"] <= 12
            await simulator.control.refuse(0)

            async def well() -> bool:
                page = await ada.ask("/budget")
                return bool(page["trouble"] == [] and page["sockets"]["slots"][0]["state"] == "connected")

            assert "upstream" in found["do"].lower()
            await until(well, "the socket is open and no trouble is left", within=30, every=0.5)


async def test_a_second_socket_that_is_refused_in_silence(nats_server: NatsServer, tmp_path: Path) -> None:
    """Accepted, acked, and mute while the first one flows: the ceiling becomes one, and the page says why."""
    channels = (*CHANNELS, *(f"net_flow:T{number}" for number in range(45)))
    async with (
        Simulator.subprocess(source="synthetic", mute_second=True) as simulator,
        replica(nats_server, simulator, tmp_path, channels=",".join(channels)) as ada,
    ):
        found = await trouble(ada, "refused in silence", within=90)
        assert "UW_INGEST_SLOTS=1" in found["do"]

        async def sockets() -> dict[str, Any]:
            return dict((await ada.ask("/budget"))["sockets"])

        async def lowered() -> bool:
            return (await sockets())["ceiling"] == 1

        await until(lowered, "the plan lowers the ceiling", within=20)
        assert "upstream serves only 1" in (await sockets())["why"]


async def test_a_join_that_is_lost_in_silence(nats_server: NatsServer, tmp_path: Path) -> None:
    """Never answered: the channel is named, asked for again, and well when it is answered at last."""
    async with Simulator.subprocess(source="synthetic") as simulator:
        await simulator.control.swallow_joins(1, channel="news")
        async with replica(nats_server, simulator, tmp_path) as ada:

            async def joined() -> set[str]:
                state = await simulator.control.state()
                return {name for each in state["connections"] for name in each["joined"]}

            async def others_joined() -> bool:
                return await joined() == set(CHANNELS) - {"news"}

            async def all_joined() -> bool:
                return await joined() == set(CHANNELS)

            await until(others_joined, "all but one are joined", within=20)
            await trouble(ada, "news", within=45)
            await until(all_joined, "the lost join is sent again", within=60)


@pytest.mark.timeout(200)
async def test_a_socket_that_falls_mute(nats_server: NatsServer, tmp_path: Path) -> None:
    """Open, answering pings, saying nothing: named within a minute, opened anew within two."""
    async with (
        Simulator.subprocess(source="synthetic") as simulator,
        replica(nats_server, simulator, tmp_path) as ada,
    ):

        async def flows() -> bool:
            return bool((await ada.ask("/budget"))["feeds"].get("option_trade", {}).get("state") == "live")

        await until(flows, "trades come", within=20, every=0.2)
        await simulator.control.mute()
        await trouble(ada, "option_trade", "silent", within=70)
        await until(flows, "a new socket brings trades", within=100, every=0.5)
