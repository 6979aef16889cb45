"""A service is served, probed and stopped over real sockets and real processes."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from baleen_runtime.errors import PortBusy
from baleen_runtime.health import Health
from baleen_runtime.operator import operator_app
from baleen_runtime.serve import BACKLOG, listen_on, serve

KERNEL_ALLOWS = int(Path("/proc/sys/net/core/somaxconn").read_text())
PROGRAM = """
import asyncio, sys
from baleen_runtime import lifecycle
from baleen_runtime.settings import ServiceSettings, settings_for

class Settings(ServiceSettings):
    model_config = settings_for("PROGRAM_")
    crash: bool = False

async def work():
    raise RuntimeError("the disk is full")

async def run(settings, stop):
    if settings.crash:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work())
    print("running", flush=True)
    await stop.wait()

sys.exit(lifecycle.main(Settings, run, sys.argv[1:]))
"""


@asynccontextmanager
async def serving(app):
    """Serve *app* on a free port and yield a client of it."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    sockets = [listen_on("127.0.0.1", 0)]
    task = asyncio.create_task(serve(app, sockets=sockets, stop=stop, on_listening=port.set_result))
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{await asyncio.wait_for(port, 5)}"
        ) as client:
            yield client
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def start(*, crash: str = "", **environ: str) -> asyncio.subprocess.Process:
    """Run the example program with an environment of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env={"PROGRAM_CRASH": crash, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_as_many_may_wait_to_be_accepted_as_the_socket_was_made_for():
    """The server that takes the socket over does not shorten the queue."""
    stop, listening = asyncio.Event(), asyncio.Event()
    sock = listen_on("127.0.0.1", 0)
    app = operator_app(Health("example"), CollectorRegistry())
    task = asyncio.create_task(
        serve(app, sockets=[sock], stop=stop, on_listening=lambda _port: listening.set())
    )
    await asyncio.wait_for(listening.wait(), 5)
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)  # its tcpi_sacked, where a socket listens
    stop.set()
    await asyncio.wait_for(task, 10)

    assert int.from_bytes(told[28:32], sys.byteorder) == min(BACKLOG, KERNEL_ALLOWS)


async def test_readiness_says_which_part_is_missing():
    """A service is ready when every part it needs has said so, and not before."""
    health = Health("example", needs=("bus", "upstream"))
    async with serving(operator_app(health, CollectorRegistry())) as client:
        health.report("bus", ok=True)
        health.report("upstream", ok=False, reason="no token: set UW_INGEST_TOKEN")
        waiting = await client.get("/readyz")
        health.report("upstream", ok=True)
        ready = await client.get("/readyz")
        health.drain()
        leaving = await client.get("/readyz")
        alive = await client.get("/livez")

    assert waiting.status_code == 503
    assert waiting.json()["parts"] == {"bus": "ok", "upstream": "no token: set UW_INGEST_TOKEN"}
    assert ready.status_code == 200
    assert leaving.status_code == 503
    assert alive.status_code == 200


async def test_metrics_are_those_of_the_registry_handed_in():
    """A service exports what it registered and nothing by accident."""
    registry = CollectorRegistry()
    Counter("baleen_example", "An example.", registry=registry).inc()
    async with serving(operator_app(Health("example"), registry)) as client:
        text = (await client.get("/metrics")).text

    assert "baleen_example_total 1.0" in text
    assert "python_info" not in text


def test_a_busy_port_is_named_with_its_cure():
    """The error says which port is taken and which setting chooses another."""
    taken = listen_on("127.0.0.1", 0)
    port = taken.getsockname()[1]
    try:
        with pytest.raises(PortBusy, match=rf"127.0.0.1:{port} is in use .* set EXAMPLE_PORT"):
            listen_on("127.0.0.1", port, variable="EXAMPLE_PORT")
    finally:
        taken.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
async def test_a_signal_ends_a_service_with_success(number: signal.Signals):
    """Being asked to leave is not a failure."""
    process = await start()
    assert await process.stdout.readline() == b"running\n"
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 0
    assert b"left as asked" in errors


async def test_a_crash_ends_a_service_with_its_reason():
    """A broken service exits non-zero, and its last line says why, whatever else was printed."""
    process = await start(crash="true")
    _, errors = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 1
    assert b"Traceback" in errors
    last = errors.splitlines()[-1]
    assert b"stopping" in last
    assert b"the disk is full" in last


async def test_a_wrong_setting_ends_a_service_before_it_starts():
    """The exit code tells wrong settings from a crash, and the message names the variable."""
    process = await start(PROGRAM_CRASHH="1")
    _, errors = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 78
    assert errors == b"PROGRAM_CRASHH is not a setting: did you mean PROGRAM_CRASH?\n"
