"""Several worker processes on one port are one gateway: real processes, real sockets, real signals."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus.testing import NatsServer
from baleen_runtime.errors import PortBusy
from baleen_runtime.serve import listen_on
from ws_gateway.errors import CannotServe
from ws_gateway.fleet.ports import reserve_all
from ws_gateway.fleet.supervisor import Crew
from ws_gateway.settings import Settings
from ws_gateway.testing import GatewayProcess

PATIENCE = 20.0


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it may depend on anything
            await asyncio.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is *pid*, as the kernel tells."""
    return [child for child, parent in _parents() if parent == pid]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and is_alive(int(folder.name)):
            try:
                yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue


async def gauge(gateway: GatewayProcess, name: str) -> dict[str, float]:
    """Return a metric's samples by the worker they are of; "" for what is of the whole."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{gateway.http}/metrics")).text
    found = re.findall(rf'^{name}(?:{{worker="(\d+)"}})? (\S+)$', text, re.MULTILINE)
    return {worker: float(value) for worker, value in found}


async def opened(stack: AsyncExitStack, gateway: GatewayProcess, count: int) -> list[ClientConnection]:
    """Connect so many clients and read their welcomes."""
    clients = [await stack.enter_async_context(connect(f"{gateway.ws}/v1/stream")) for _ in range(count)]
    for client in clients:
        await asyncio.wait_for(client.recv(), PATIENCE)
    return clients


async def close_code_of(client: ClientConnection) -> int | None:
    """Return the code with which a client is closed."""
    await asyncio.wait_for(client.wait_closed(), PATIENCE)
    return client.close_code


async def test_workers_share_the_clients_and_speak_for_each_other(nats_server: NatsServer):
    """Both have clients; whoever is asked tells the metrics and the readiness of both."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        async with AsyncExitStack() as stack:
            await opened(stack, gateway, 30)
            told = await gauge(gateway, "baleen_gateway_connections")
            assert sum(told.values()) == 30
            assert set(told) == {"1", "2"}
            assert min(told.values()) > 0
            assert await gauge(gateway, "baleen_gateway_workers") == {"": 2}
            async with httpx.AsyncClient() as client:
                ready = (await client.get(f"{gateway.http}/readyz")).json()
            assert ready["status"] == "ready"
            assert ready["parts"]["workers"] == "2 of 2 run"


async def test_a_killed_worker_costs_only_its_own_clients_and_is_replaced(nats_server: NatsServer):
    """Kill -9 of one: its clients are gone and come back, the others notice nothing, another follows."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 30)
            before = await gauge(gateway, "baleen_gateway_connections")
            victim = children_of(gateway.pid)[0]
            os.kill(victim, signal.SIGKILL)
            await until(lambda: sum(client.close_code is not None for client in clients) in before.values())
            lost = sum(client.close_code is not None for client in clients)
            async with asyncio.timeout(PATIENCE):
                while len(await gauge(gateway, "baleen_gateway_connections")) < 2:  # noqa: ASYNC110 - over HTTP
                    await asyncio.sleep(0.05)
            assert await gauge(gateway, "baleen_gateway_worker_restarts_total") == {"": 1}
            assert sum((await gauge(gateway, "baleen_gateway_connections")).values()) == 30 - lost
            await opened(stack, gateway, lost)
            assert sum((await gauge(gateway, "baleen_gateway_connections")).values()) == 30


async def test_asked_to_leave_all_workers_say_goodbye(nats_server: NatsServer):
    """SIGTERM reaches every worker; each client is told, the exit code is 0 and no process stays."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        workers = children_of(gateway.pid)
        assert len(workers) == 2
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 20)
            ending = asyncio.create_task(asyncio.to_thread(gateway.stop))
            assert {await close_code_of(client) for client in clients} == {4000}
            assert await ending == 0
        assert not any(is_alive(worker) for worker in workers)


async def test_workers_do_not_outlive_a_killed_supervisor(nats_server: NatsServer):
    """Kill -9 of the supervisor: the workers tell their clients and go, and the port is free."""
    drained = {"WS_GATEWAY_WORKERS": "2", "WS_GATEWAY_DRAIN_SECONDS": "1"}
    with GatewayProcess(nats_server.url, **drained) as gateway:
        workers = children_of(gateway.pid)
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 10)
            os.kill(gateway.pid, signal.SIGKILL)
            await until(lambda: not any(is_alive(worker) for worker in workers))
            assert {await close_code_of(client) for client in clients} == {4000}
        listen_on("127.0.0.1", gateway.port).close()


async def test_a_worker_that_hangs_dies_with_its_supervisor():
    """Though its loop stands still, so that it cannot say goodbye."""
    hangs = "import os, time; from ws_gateway.fleet.worker import never_outlive; "
    hangs += "never_outlive(os.getppid(), 0.1); print(os.getpid(), flush=True); time.sleep(1000)"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hangs!r}])"
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", starts, stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    worker = int(await asyncio.wait_for(supervisor.stdout.readline(), PATIENCE))
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not is_alive(worker))


async def test_a_worker_that_cannot_start_ends_the_whole():
    """Otherwise it would be started for ever, and nobody would hear of it."""
    crew = Crew(Settings(workers=2), [1], command=(sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(CannotServe, match="ended with 3 before it served"):
        await asyncio.wait_for(crew.keep(1), PATIENCE)


async def test_a_port_of_others_is_not_shared():
    """Two gateways of several workers would take each other's clients: the second is told that it is busy."""
    with reserve_all(Settings(port=0, workers=2))[0] as ours:
        port = ours.getsockname()[1]
        with pytest.raises(PortBusy, match=f"{port}.*WS_GATEWAY_PORT"):
            reserve_all(Settings(port=port, workers=2))
        with listen_on("127.0.0.1", port, shared=True), pytest.raises(PortBusy):
            reserve_all(Settings(port=port, workers=2))
        with pytest.raises(PortBusy):
            listen_on("127.0.0.1", port)
