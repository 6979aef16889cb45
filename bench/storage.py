"""What the bus keeps of each kind of message, in bytes, and what it spends on one: simulated data.

Everything flows that the simulator can say, at the rates of a busy session; then each kind is taken out of
its stream, and what the stream is smaller by is what the kind took. Bytes depend on nothing but the messages;
the CPU is that of nats-server and uw-ingest at this rate, read from the kernel.

    .venv/bin/python -m bench.storage               # --small sees in seconds that it works
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.fanout import machine
from bench.processes import ROOT

from baleen_bus import Bus, Publisher, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts import CATALOGUE, by_name, example
from baleen_contracts.alert import Alert
from baleen_runtime.testing import ServiceProcess, cpu_seconds
from uw_simulator.testing import Simulator

_SECONDS, _SMALL_SECONDS = 20.0, 2.0
_MARKET = {"rate": 350.0, "flow_alert_rate": 20.0, "lit_rate": 100.0, "off_lit_rate": 100.0}
"""What is said a second: option trades as on a day of 8 million, of the others enough to measure."""
_ALERTS, _LISTENERS = 200, 32
_BEGINS_WITHIN = 90.0


def main() -> int:
    """Measure and print; 1 if nothing was stored."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--small", action="store_true", help="see in seconds that it works")
    small = parser.parse_args().small
    told = asyncio.run(_measure(_SMALL_SECONDS if small else _SECONDS))
    told["machine"] = machine()
    if not small:
        (ROOT / ".baleen" / "bench").mkdir(parents=True, exist_ok=True)
        (ROOT / ".baleen" / "bench" / "storage.json").write_text(json.dumps(told, indent=2))
    print(in_words(told))
    return int(not told["kinds"].get("option_trade"))


def in_words(told: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = ["| kind | messages | bytes each |", "|---|---|---|"]
    for kind, figures in told["kinds"].items():
        lines.append(f"| {kind} | {figures['messages']:,} | {figures['bytes_each']:,.0f} |")
    for name, micros in told["micros_a_message"].items():
        lines.append(
            f"{name}: {micros:.1f} µs of CPU a message at {told['messages_per_second']:,.0f} a second"
        )
    return "\n".join(lines)


async def _measure(seconds: float) -> dict[str, Any]:
    with NatsServer() as nats:
        await bootstrap(url=nats.url)
        async with (
            Simulator.subprocess(source="synthetic", **_MARKET) as simulator,
            open_bus(url=nats.url, name="bench", connect_within=10) as bus,
        ):
            with ServiceProcess("uw_ingest", {**simulator.variables, "BALEEN_NATS_URL": nats.url}) as ingest:
                told = await _spent(bus, {"nats-server": nats.pid, "uw-ingest": ingest.pid}, seconds)
                async with _listeners(nats.port):
                    heard = await _spent(bus, {"nats-server": nats.pid}, seconds)
                more = heard["micros_a_message"]["nats-server"] - told["micros_a_message"]["nats-server"]
                told["micros_a_message"]["nats-server for each listener"] = more / _LISTENERS
            await _say_alerts(bus)
            return {"kinds": await _taken_out(bus), **told}


class _Listener(asyncio.Protocol):
    """Hears everything upstream says, as a worker of the gateway does, and reads none of it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Subscribe."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asked for as one
        transport.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB uw.> 1\r\n')


@asynccontextmanager
async def _listeners(port: int) -> AsyncIterator[None]:
    """Connections that hear everything."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_Listener, "127.0.0.1", port) for _ in range(_LISTENERS)]
    try:
        yield
    finally:
        for transport, _ in opened:
            transport.abort()


async def _spent(bus: Bus, pids: dict[str, int], seconds: float) -> dict[str, Any]:
    """What each process spends on a message, once trades flow."""
    async with asyncio.timeout(_BEGINS_WITHIN):
        while await _stored(bus) < _MARKET["rate"]:  # noqa: ASYNC110 - the server has no word for it
            await asyncio.sleep(0.1)
    before, first = {name: cpu_seconds(pid) for name, pid in pids.items()}, await _stored(bus)
    await asyncio.sleep(seconds)
    count = await _stored(bus) - first
    micros = {name: (cpu_seconds(pid) - before[name]) / count * 1e6 for name, pid in pids.items()}
    return {"micros_a_message": micros, "messages_per_second": count / seconds}


async def _stored(bus: Bus) -> int:
    """How many messages of upstream's were ever stored."""
    streams = {entity.stream for entity in CATALOGUE if entity.producer == "uw-ingest" and entity.stream}
    return sum([(await _state(bus, stream))["last_seq"] for stream in sorted(streams)])


async def _say_alerts(bus: Bus) -> None:
    """Store some alerts, each the catalogue's example."""
    body = example(by_name("alert"))
    async with Publisher(bus, source="bench") as publisher:
        for number in range(_ALERTS):
            await publisher.publish(Alert.model_validate({**body, "id": f"bench-{number}"}))


async def _taken_out(bus: Bus) -> dict[str, dict[str, float]]:
    """Take each kind out of its stream: how many messages, and the bytes of the store each took."""
    kinds = {}
    for entity in CATALOGUE:
        if entity.stream is None:
            continue
        before = await _state(bus, entity.stream)
        await bus.request_json(f"$JS.API.STREAM.PURGE.{entity.stream}", {"filter": entity.pattern})
        after = await _state(bus, entity.stream)
        if messages := before["messages"] - after["messages"]:
            each = (before["bytes"] - after["bytes"]) / messages
            kinds[entity.name] = {"messages": messages, "bytes_each": each}
    return kinds


async def _state(bus: Bus, stream: str) -> dict[str, Any]:
    state: dict[str, Any] = (await bus.request_json(f"$JS.API.STREAM.INFO.{stream}"))["state"]
    return state


if __name__ == "__main__":
    sys.exit(main())
