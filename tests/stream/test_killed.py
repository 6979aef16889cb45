"""Every process of the road killed (-9) in turn while clients listen: their records equal the stream's."""

import asyncio
from pathlib import Path

import pytest
from tests.chaos.books import at_rest
from tests.chaos.fleet import fleet, until
from tests.stream.native_client import NativeClient
from tests.stream.publishing import stored
from tests.stream.test_resume import all_live, listening

from baleen_bus import open_bus
from baleen_bus.testing import NatsServer
from uw_simulator.testing import Simulator
from ws_gateway.testing import GatewayProcess

TOPICS = (
    ["uw.v1.option_trade.*"],
    ["uw.v1.option_trade.SPY", "uw.v1.flow_alert.*", "uw.v1.lit_trade.*"],
    ["uw.v1.>"],
)
CHANNELS = "option_trades,flow-alerts,lit_trades"
BETWEEN = 2.0  # seconds of quiet between two deaths


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_records_of_clients_equal_the_streams(nats_server: NatsServer, tmp_path: Path):
    """Whoever dies: nothing is missing, nothing comes twice, and the order is the stream's."""
    with GatewayProcess(nats_server.url) as first:
        port = str(first.port)
        first.kill()
        async with (
            Simulator.subprocess(source="synthetic", rate=300) as simulator,
            fleet(nats_server, simulator, ["ingest"], tmp_path, channels=CHANNELS) as ingest,
        ):
            clients = [NativeClient(f"ws://127.0.0.1:{port}/v1/stream", list(topics)) for topics in TOPICS]
            async with listening(clients, 0.2):
                for _ in range(3):
                    with GatewayProcess(nats_server.url, WS_GATEWAY_PORT=port) as gateway:
                        await all_live(clients)
                        await asyncio.sleep(BETWEEN)
                        nats_server.kill()
                        nats_server.start()
                        await asyncio.sleep(BETWEEN)
                        replica = ingest["ingest"]
                        replica.kill()
                        replica.start()
                        await replica.listening()
                        await asyncio.sleep(BETWEEN)
                        gateway.kill()
                    for client in clients:
                        client.live.clear()
                with GatewayProcess(nats_server.url, WS_GATEWAY_PORT=port):
                    await all_live(clients)
                    await simulator.control.pause()
                    await judge(nats_server, clients)


async def judge(nats: NatsServer, clients: list[NativeClient]) -> None:
    """Compare what clients heard with what the stream holds since they were shown the present."""
    async with open_bus(url=nats.url, name="test", connect_within=10) as bus:
        await at_rest(bus)
        kept = await stored(bus, "TAPE")
        for client in clients:
            wanted = [seq for seq in kept.of(client.topics) if seq > client.began["TAPE"]]
            assert len(wanted) > 100
            await until(lambda: len(heard(client)) >= len(wanted), "all is heard", 30)  # noqa: B023 - waited for here
            assert heard(client) == wanted
            assert not client.gaps
            assert all(client.recovered[1:])


def heard(client: NativeClient) -> list[int]:
    """The numbers of what a client heard of the tape."""
    return [seq for stream, _, seq in client.heard if stream == "TAPE"]
