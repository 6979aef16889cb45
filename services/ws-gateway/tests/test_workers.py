"""Several worker processes on one port are one gateway: real processes, real sockets, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from baleen_bus.buckets import GATEWAYS_TTL
from baleen_bus.testing import NatsServer
from baleen_runtime.errors import PortBusy
from baleen_runtime.serve import listen_on
from ws_gateway.errors import CannotServe
from ws_gateway.fleet import supervisor
from ws_gateway.fleet.ports import reserve_all
from ws_gateway.fleet.supervisor import Crew, supervise
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


async def opened(stack: AsyncExitStack, gateway: GatewayProcess, count: int) -> dict[str, ClientConnection]:
    """Connect so many clients, read their welcomes and return them by the name they are told."""
    clients = [await stack.enter_async_context(connect(f"{gateway.ws}/v1/stream")) for _ in range(count)]
    return {
        json.loads(await asyncio.wait_for(client.recv(), PATIENCE))["client"]: client for client in clients
    }


async def close_code_of(client: ClientConnection) -> int | None:
    """Return the code with which a client is closed."""
    await asyncio.wait_for(client.wait_closed(), PATIENCE)
    return client.close_code


def asking_anew(gateway: GatewayProcess) -> httpx.AsyncClient:
    """Return an HTTP client that opens a connection for each request, so that any worker may be asked."""
    return httpx.AsyncClient(base_url=gateway.http, headers={"Connection": "close"})


async def subscribers(http: httpx.AsyncClient) -> int:
    """Return how many clients watch flow alerts, as whichever worker is asked tells."""
    channels = (await http.get("/api/stream/channels")).json()["channels"]
    return sum(channel["active_subscribers"] for channel in channels if channel["id"] == "flow-alerts")


async def agreed(gateway: GatewayProcess, count: int) -> float:
    """Wait until ten answers in a row tell *count*; return after how many seconds that began."""
    loop = asyncio.get_running_loop()
    asked, since, row = loop.time(), loop.time(), 0
    async with asyncio.timeout(PATIENCE), asking_anew(gateway) as http:
        while row < 10:
            row = row + 1 if await subscribers(http) == count else 0
            since = since if row else loop.time()
            await asyncio.sleep(0.02)
    return since - asked


async def test_workers_share_the_clients_and_speak_for_each_other(nats_server: NatsServer):
    """Both have clients; whoever is asked tells metrics, readiness and every client of both."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 20)
            told = await gauge(gateway, "baleen_gateway_connections")
            assert sum(told.values()) == 20
            assert set(told) == {"1", "2"}
            assert min(told.values()) > 0
            assert await gauge(gateway, "baleen_gateway_workers") == {"": 2}
            for client in clients.values():
                await client.send('{"op":"subscribe","topics":["signal.v1.>"],"snapshot":false}')
                async with asyncio.timeout(PATIENCE):
                    while json.loads(await client.recv())["op"] != "subscribed":  # a heartbeat may come first
                        pass
            async with asking_anew(gateway) as http:
                ready = (await http.get("/readyz")).json()
                assert (ready["status"], ready["parts"]["workers"]) == ("ready", "2 of 2 serve")
                await tells_of_all(http, set(clients))


async def tells_of_all(http: httpx.AsyncClient, names: set[str]) -> None:
    """See that any worker tells of any client, and of all of them, bounded."""
    async with asyncio.timeout(PATIENCE):
        while (told := (await http.get("/v1/clients")).json())["total"] < len(names):  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.05)
    assert {row["id"] for row in told["clients"]} == names
    assert (told["workers"], told["silent"]) == (2, [])
    assert len({row["worker"] for row in told["clients"]}) == 2
    for name in [*names, *names]:
        one = (await http.get(f"/v1/clients/{name}")).json()
        assert (one["id"], one["label"], one["address"]) == (name, "native", "127.0.0.1")
        assert one["topics"] == [{"topic": "signal.v1.>", "filter": None}]
    assert (await http.get("/v1/clients/nobody")).status_code == 404
    assert len((await http.get("/v1/clients?limit=3")).json()["clients"]) == 3
    assert (await http.get("/v1/clients?label=flow-alerts")).json()["clients"] == []
    assert (await http.get("/v1/clients?limit=0")).status_code == 422


@pytest.mark.slow
async def test_every_worker_soon_counts_the_clients_of_all(nats_server: NatsServer):
    """Who comes, goes, or is lost with its worker is soon known to whoever is asked; a new worker follows."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        async with AsyncExitStack() as stack:
            flow, alpha = f"{gateway.ws}/api/stream/ws/flow", f"{gateway.ws}/api/v1/ws/signals"
            clients = [await stack.enter_async_context(connect(flow)) for _ in range(20)]
            watching = [await stack.enter_async_context(connect(alpha)) for _ in range(10)]
            assert await agreed(gateway, 20) < 3.0
            async with asking_anew(gateway) as http:
                told = (await http.get("/api/v1/ws/stats")).json()
            assert told["total_connections"] == len(told["connections"]) == len(watching)
            assert set(told["channels"]) == {"signals"}
            await asyncio.gather(*(client.close() for client in clients[:5]))
            assert await agreed(gateway, 15) < 3.0

            before = await gauge(gateway, "baleen_gateway_connections")
            os.kill(children_of(gateway.pid)[0], signal.SIGKILL)
            everybody = clients[5:] + watching
            await until(lambda: sum(c.close_code is not None for c in everybody) in before.values())
            assert await agreed(gateway, sum(c.close_code is None for c in clients)) < GATEWAYS_TTL + 4.0
            async with asyncio.timeout(PATIENCE):
                while len(after := await gauge(gateway, "baleen_gateway_connections")) < 2:  # noqa: ASYNC110 - HTTP
                    await asyncio.sleep(0.05)
            assert sum(after.values()) == sum(c.close_code is None for c in everybody)
            assert await gauge(gateway, "baleen_gateway_worker_restarts_total") == {"": 1}
        assert await agreed(gateway, 0) < 3.0


@pytest.mark.slow
async def test_asked_to_leave_all_workers_say_goodbye(nats_server: NatsServer):
    """SIGTERM reaches every worker; each client is told, the exit code is 0 and no process stays."""
    with GatewayProcess(nats_server.url, WS_GATEWAY_WORKERS="2") as gateway:
        workers = children_of(gateway.pid)
        assert len(workers) == 2
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 20)
            ending = asyncio.create_task(asyncio.to_thread(gateway.leave))
            assert {await close_code_of(client) for client in clients.values()} == {4000}
            assert await ending == 0
        assert not any(is_alive(worker) for worker in workers)


@pytest.mark.slow
async def test_workers_do_not_outlive_a_killed_supervisor(nats_server: NatsServer):
    """Kill -9 of the supervisor: the workers tell their clients and go, and the port is free."""
    drained = {"WS_GATEWAY_WORKERS": "2", "WS_GATEWAY_DRAIN_SECONDS": "1"}
    with GatewayProcess(nats_server.url, **drained) as gateway:
        workers = children_of(gateway.pid)
        async with AsyncExitStack() as stack:
            clients = await opened(stack, gateway, 10)
            os.kill(gateway.pid, signal.SIGKILL)
            await until(lambda: not any(is_alive(worker) for worker in workers))
            assert {await close_code_of(client) for client in clients.values()} == {4000}
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


async def test_a_worker_that_cannot_start_ends_the_whole(monkeypatch: pytest.MonkeyPatch):
    """Otherwise it would be started for ever, and nobody would hear of it."""
    before = children_of(os.getpid())
    crew = partial(Crew, command=(sys.executable, "-c", "raise SystemExit(3)"))
    monkeypatch.setattr(supervisor, "Crew", crew)
    with pytest.raises(ExceptionGroup) as ending:
        await asyncio.wait_for(supervise(Settings(port=0, workers=2), asyncio.Event()), PATIENCE)
    told = ending.value.exceptions[0]
    assert isinstance(told, CannotServe)
    assert "ended with 3 before it served" in str(told)
    assert children_of(os.getpid()) == before


async def test_a_worker_that_hangs_is_ended_and_replaced(monkeypatch: pytest.MonkeyPatch):
    """One whose process stands still does not answer, so that its clients would wait for ever."""
    monkeypatch.setattr(supervisor, "STARTS_WITHIN", 0.2)
    crew = Crew(Settings(workers=2), [1], command=(sys.executable, "-c", "import time; time.sleep(1000)"))
    keeping = asyncio.create_task(crew.keep(1))
    await asyncio.wait((keeping,), timeout=PATIENCE)
    with pytest.raises(CannotServe, match="ended with -9"):
        await keeping


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
