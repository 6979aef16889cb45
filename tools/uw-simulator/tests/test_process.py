"""The simulator as a process: its port, its end, its settings, its help."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from uw_simulator.testing import Simulator

COMMAND = [sys.executable, "-m", "uw_simulator"]


def environ(**more: str) -> dict[str, str]:
    """Return this environment without the simulator's variables, and with *more*."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("UW_SIMULATOR_")}, **more}


async def test_it_serves_on_a_free_port_and_leaves_on_sigterm(connect: Any):
    """Ready at once, and gone within seconds although a client is connected."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env=environ(UW_SIMULATOR_PORT="0", BALEEN_LOG_FORMAT="json"), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    port = 0
    async with asyncio.timeout(20):
        while not port:
            line = await process.stderr.readline()
            if b'"event": "listening"' in line:
                port = int(line.partition(b'"port": ')[2].split(b",")[0].strip(b"} \n"))
    async with httpx.AsyncClient() as http, connect(_at(port)) as client:
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        await client.join("news")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    await process.stderr.read()


async def test_the_testing_door_runs_a_process(connect: Any):
    """`Simulator.subprocess` gives a port, a control and a process id, and cleans up."""
    async with Simulator.subprocess(max_sockets=1, blocked_agents=("nobody",)) as simulator:
        assert simulator.pid is not None
        os.kill(simulator.pid, 0)
        state = await simulator.control.state()
        assert state["plan"]["sockets"] == 1
    with pytest.raises(ProcessLookupError):
        os.kill(simulator.pid, 0)


def test_a_wrong_setting_stops_the_start():
    """Exit code 78; the message names the variable."""
    for variable, value in (("UW_SIMULATOR_RATE", "fast"), ("UW_SIMULATOR_RAET", "1")):
        ended = subprocess.run(
            COMMAND, env=environ(**{variable: value}), capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode == 78
        assert variable in ended.stderr


def test_a_recording_that_is_not_there_is_named():
    """Source recorded without a file says which variable is missing."""
    ended = subprocess.run(
        [*COMMAND, "--source", "recorded", "--port", "0"],
        env=environ(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 1
    assert "UW_SIMULATOR_RECORDING" in ended.stderr


def test_the_help_teaches():
    """It shows how to listen, ask and misbehave, and never asks for a secret on the command line."""
    ended = subprocess.run(
        [*COMMAND, "--help"],
        env=environ(COLUMNS="200"),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    for word in (
        "msg_type",
        "/api/market/movers",
        "tell drop",
        "see history",
        "--rate",
        "--whole-day",
        "--demo-publishers",
        "bench",
    ):
        assert word in ended.stdout
    assert "--token" not in ended.stdout
    assert "password" not in ended.stdout.replace("passwords are variables", "")


async def test_a_recording_travels_through_the_socket(tmp_path: Path, connect: Any):
    """Recorded frames reach who joined their channel, byte for byte when asked to."""
    recording = tmp_path / "tape.jsonl"
    recording.write_text(
        '{"at": 1, "frame": "[\\"price:SPY\\",{\\"ticker\\":\\"SPY\\",\\"time\\":5}]"}\n' * 3
    )
    async with (
        Simulator.in_process(source="recorded", recording=recording, verbatim=True) as simulator,
        connect(simulator) as client,
    ):
        await client.ask("price:SPY", "join")
        await client.ask("price", "join")
        heard = [await client.read() for _ in range(10)]

    assert ["price:SPY", {"ticker": "SPY", "time": 5}] in heard


class _At:
    def __init__(self, port: int) -> None:
        self.socket_url = f"ws://127.0.0.1:{port}/socket?token=simulated-token"


def _at(port: int) -> Any:
    return _At(port)


@pytest.mark.slow
async def test_orders_can_be_given_from_the_command_line():
    """`tell` gives one, `see` shows what came of it; what is refused or not there ends with 1."""
    async with Simulator.in_process() as simulator:

        async def told(*words: str) -> tuple[int, str]:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, *words, stdout=asyncio.subprocess.PIPE, env=environ()
            )
            out, _ = await process.communicate()
            return process.returncode or 0, out.decode()

        at = ("--at", simulator.http_url)
        assert (await told("tell", "limits", "sockets=1", "over_code=null", *at))[0] == 0
        code, state = await told("see", *at)
        assert (code, '"sockets":1,' in state, '"over_code":null' in state) == (0, True, True)
        assert (await told("tell", "drop", "cod=1", *at))[0] == 1
        assert (await told("see", "--at", "http://127.0.0.1:1"))[0] == 1
