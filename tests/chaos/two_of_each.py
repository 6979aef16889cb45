"""Two replicas of every service over one bus, a pretend upstream and a pretend Discord: real processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.alerts.bridges import Bridge, rules_file, write_sources
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.rolling import READY_WITHIN, Member

from baleen.ports import free_ports
from baleen_bus.testing import NatsServer
from discord_simulator.testing import SimulatedDiscord
from uw_simulator.testing import Simulator
from ws_gateway.testing import GatewayProcess

CHANNELS = ("option_trades", "flow-alerts", "off_lit_trades", "lit_trades")
RATE = 300  # option trades a second
FLOW, PRINTS = 10, 40  # flow alerts, and prints of either kind, a second
DISCORD = {"webhook_limit": 40, "webhook_window": 1.0, "channel_limit": 400, "channel_window": 10.0}


@dataclass(frozen=True)
class TwoOfEach:
    """Everything that runs."""

    nats: NatsServer
    simulator: Simulator
    discord: SimulatedDiscord
    ingest: Fleet
    gateways: list[GatewayProcess]
    bridges: list[Bridge]
    sources: dict[str, str]
    """The webhooks' paths, by the names of the sources."""

    def members(self) -> list[Member]:
        """Everybody who is restarted: readers first, as in an upgrade."""
        return [
            *(Member("ws-gateway", gateway) for gateway in self.gateways),
            *(Member("alert-bridge", bridge) for bridge in self.bridges),
            *(Member("uw-ingest", replica) for replica in self.ingest.replicas.values()),
        ]

    async def all_joined(self) -> bool:
        """Whether upstream has a join of every channel."""
        connections = (await self.simulator.control.state())["connections"]
        return set(CHANNELS) <= {name for each in connections for name in each["joined"]}


@asynccontextmanager
async def two_of_each(nats: NatsServer, folder: Path) -> AsyncIterator[TwoOfEach]:
    """Run everything, as the users that a cluster gives the services."""
    sources = folder / "sources.json"
    paths = write_sources(sources, "monitor", "scanner", "desk", "lab")
    upstream = Simulator.subprocess(
        source="synthetic",
        rate=RATE,
        flow_alert_rate=FLOW,
        lit_rate=PRINTS,
        off_lit_rate=PRINTS,
        max_sockets=3,
        journal=folder / "journal",
        backlog_bytes=64 << 20,
    )
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(upstream)
        discord = await stack.enter_async_context(SimulatedDiscord.subprocess(keep=200_000, **DISCORD))
        variables = {
            "ALERT_BRIDGE_SOURCES": str(sources),
            "ALERT_BRIDGE_RULES": str(_rules(folder, discord)),
            **_user(nats, "ALERT_BRIDGE", "alert-bridge"),
        }
        ports = free_ports()
        gateways = [
            GatewayProcess(nats.url, WS_GATEWAY_PORT=str(port), **_user(nats, "WS_GATEWAY", "ws-gateway"))
            for port in (ports.gateway, ports.bridge)  # each life is where clients know it from the last
        ]
        bridges = [Bridge(name, nats.url, folder, variables) for name in ("one", "two")]
        for process in (*gateways, *bridges):
            stack.callback(process.close)
            process.start()
        await asyncio.gather(*(process.ready(READY_WITHIN) for process in (*gateways, *bridges)))
        user, password = "uw-ingest", nats.passwords["uw-ingest"]
        given = {"channels": ",".join(CHANNELS), "nats_user": user, "nats_password": password}
        ingest = await stack.enter_async_context(fleet(nats, simulator, ("ada", "bea"), folder, **given))
        yield TwoOfEach(nats, simulator, discord, ingest, gateways, bridges, paths)


def _rules(folder: Path, discord: SimulatedDiscord) -> Path:
    url = discord.url_of("alerts")
    limits = {"channel_messages": DISCORD["channel_limit"], "channel_seconds": DISCORD["channel_window"]}
    return rules_file(folder, {"alerts": {"type": "discord", "url": url, **limits}})


def _user(nats: NatsServer, prefix: str, name: str) -> dict[str, str]:
    return {f"{prefix}_NATS_USER": name, f"{prefix}_NATS_PASSWORD": nats.passwords[name]}
