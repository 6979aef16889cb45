"""What is recorded is what is played again: simulator, ingest, recorder and replay as they run."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from baleen.recorder import recordings_in
from baleen_bus.testing import NatsServer
from baleen_runtime.health import Health
from baleen_runtime.operator import operator_routes
from baleen_runtime.serve import listen_on, serve
from uw_ingest.upstream.tap import Tap
from uw_simulator.recordings import recording
from uw_simulator.replay import read_frame
from uw_simulator.testing import AGENT, Simulator

CHANNELS = ("option_trades", "flow-alerts", "off_lit_trades", "price:SPY", "gex", "news", "market_tide")
TIMES = {
    "executed_at",
    "created_at",
    "time",
    "timestamp",
    "tape_time",
    "start_time",
    "end_time",
    "trf_executed_at",
}
WITHIN = 20.0


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition and return its value."""
    deadline = asyncio.get_running_loop().time() + WITHIN
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def tapped(tap: Tap, port: int = 0) -> AsyncIterator[str]:
    """Serve a tap as uw-ingest's operator port does; yields its address."""
    app, stop, listening = FastAPI(), asyncio.Event(), asyncio.get_running_loop().create_future()
    app.include_router(operator_routes(Health("uw-ingest"), CollectorRegistry()))
    app.include_router(tap.routes())
    sockets = [listen_on("127.0.0.1", port)]
    serving = asyncio.create_task(
        serve(app, sockets=sockets, stop=stop, on_listening=listening.set_result, grace=1)
    )
    try:
        yield f"http://127.0.0.1:{await listening}"
    finally:
        tap.close()
        stop.set()
        await serving


@asynccontextmanager
async def heard_by(tap: Tap, simulator: Simulator) -> AsyncIterator[list[str]]:
    """Hand all frames of a socket that joined the channels to a tap, and to a list."""
    heard: list[str] = []

    async def listen(line: websockets.ClientConnection) -> None:
        async for text in line:
            assert isinstance(text, str)
            heard.append(text)
            if tap.listeners:
                tap.frame(datetime.now(UTC), text.encode())

    async with websockets.connect(simulator.socket_url, user_agent_header=AGENT, max_size=None) as line:
        listening = asyncio.create_task(listen(line))
        for channel in CHANNELS:
            await line.send(json.dumps({"channel": channel, "msg_type": "join"}))
        await until(lambda: sum('"response":{}' in text for text in heard) == len(CHANNELS), "acks")
        try:
            yield heard
        finally:
            listening.cancel()


@asynccontextmanager
async def baleen(*words: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command as a person does; it is gone afterwards."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "baleen", *map(str, words), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def ended(child: asyncio.subprocess.Process, send: int | None = None) -> tuple[int, str]:
    """Return exit code and what was said on stderr, after perhaps a signal."""
    if send is not None:
        child.send_signal(send)
    _, said = await asyncio.wait_for(child.communicate(), WITHIN)
    assert child.returncode is not None
    return child.returncode, said.decode()


def data(frames: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return names and payloads of the data frames."""
    return [parsed for text in frames if (parsed := read_frame(text)) is not None]


def lasting(frames: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the frames without what a replay makes anew: times and ids."""
    return [
        (name, {key: value for key, value in payload.items() if key not in TIMES | {"id", "trade_ids"}})
        for name, payload in frames
    ]


@pytest.mark.slow
async def test_a_recording_is_what_was_heard_and_replays_as_it_was(tmp_path: Path):
    """Seconds of the mix: every frame since the recorder listened, in order; played again, the same."""
    tape, tap = tmp_path / "tape", Tap()
    async with (
        Simulator.in_process(source="mix") as simulator,
        tapped(tap) as ingest,
        heard_by(tap, simulator) as heard,
    ):
        async with baleen("record", "--to", tape, "--ingest", ingest, "--for", 3) as child:
            code, said = await ended(child)
        recorded = [text for _, text in recording([tape])()]
        assert (code, len(recordings_in(tape))) == (0, 1)
        assert len(recorded) > 100
        first = heard.index(recorded[0])
        assert recorded == heard[first : first + len(recorded)]
        assert f"{len(recorded):,} frames" in said
        assert "0 dropped, 0 holes" in said

        del heard[:]
        url = simulator.http_url
        async with baleen("replay", tape, "--speed", 10, "--simulator", url, "--verbatim") as child:
            code, said = await ended(child)
    was = [json.dumps(frame) for frame in data(recorded)]
    known = set(was)
    again = [told for frame in data(heard) if (told := json.dumps(frame)) in known]  # beside the market's
    assert (code, "done" in said) == (0, True), said
    assert again == was


@pytest.mark.slow
async def test_a_replay_makes_times_and_ids_anew(tmp_path: Path):
    """All else is as recorded, in its order; a simulator is run if none is there."""
    tape, tap = tmp_path / "tape", Tap()
    async with (
        Simulator.in_process(source="mix") as simulator,
        tapped(tap) as ingest,
        heard_by(tap, simulator) as heard,
        baleen("record", "--to", tape, "--ingest", ingest, "--for", 2) as child,
    ):
        assert (await ended(child))[0] == 0
    recorded = data([text for _, text in recording([tape])()])
    free = listen_on("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    async with baleen("replay", tape, "--speed", 20, "--simulator", f"http://127.0.0.1:{port}") as child:
        await until(lambda: answers(f"http://127.0.0.1:{port}/_sim/replay", "waiting"), "the replay waits")
        there = Simulator(port, None)  # type: ignore[arg-type]
        async with heard_by(Tap(), there) as heard:
            code, said = await ended(child)
        again = data(heard)
    assert (code, f"{len(recorded):,} frames" in said) == (0, True), said
    assert lasting(again) == lasting(recorded)
    identities = [{payload["id"] for _, payload in frames if "id" in payload} for frames in (again, recorded)]
    assert identities[0].isdisjoint(identities[1])
    assert len(identities[0]) == len(identities[1])


async def answers(url: str, state: str) -> bool:
    """Tell whether a simulator says that about its replay."""
    try:
        async with httpx.AsyncClient() as http:
            return bool((await http.get(url)).json()["state"] == state)
    except httpx.HTTPError:
        return False


@pytest.mark.slow
async def test_an_ingest_that_restarts_leaves_a_hole_that_is_marked(tmp_path: Path):
    """The recorder comes back by itself; interrupted, it closes its file and ends well."""
    tap, again, at = Tap(), Tap(), datetime(2026, 11, 20, 15, tzinfo=UTC)
    async with AsyncExitStack() as first:
        ingest = await first.enter_async_context(tapped(tap))
        async with baleen("record", "--to", tmp_path, "--ingest", ingest) as child:
            await until(lambda: tap.listeners, "the recorder listens")
            tap.frame(at, b"[1]")
            await until(lambda: "[1]" in played(tmp_path), "the first frame is on the disk")
            await first.aclose()
            async with tapped(again, int(ingest.rpartition(":")[2])):
                await until(lambda: again.listeners, "the recorder is back")
                again.frame(at, b"[2]")
                await until(lambda: "[2]" in played(tmp_path), "the second frame is on the disk")
                code, said = await ended(child, signal.SIGINT)

    (file,) = recordings_in(tmp_path)
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert (code, "is away" in said, "is back" in said, "1 holes" in said) == (0, True, True, True), said
    assert [line.get("frame") for line in lines] == ["[1]", None, "[2]"]
    assert lines[1]["hole"] > 0


async def test_a_recorder_without_an_ingest_says_what_to_do(tmp_path: Path):
    """At once, with exit code 1."""
    async with baleen("record", "--to", tmp_path, "--ingest", "http://127.0.0.1:1") as child:
        code, said = await ended(child)
    assert (code, "No uw-ingest answers at http://127.0.0.1:1" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "why"), [(["nowhere"], "there is no recording"), (["."], "holds no recording")]
)
async def test_what_cannot_be_played_is_told(tmp_path: Path, words: list[str], why: str):
    """By the simulator, in words."""
    async with Simulator.in_process() as simulator:
        paths = [tmp_path / word for word in words]
        async with baleen("replay", *paths, "--simulator", simulator.http_url) as child:
            code, said = await ended(child)
    assert (code, why in said) == (1, True), said


def played(folder: Path) -> list[str]:
    """Return the frames that can be read there now."""
    return [text for _, text in recording([folder])()] if any(folder.glob("frames-*")) else []


@asynccontextmanager
async def ingesting(nats: NatsServer, upstream: str) -> AsyncIterator[str]:
    """Run uw-ingest as a process; yields its operator port's address once all channels are joined."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {
        "BALEEN_NATS_URL": nats.url, "UW_INGEST_PORT": port, "UW_INGEST_UPSTREAM_URL": upstream,
        "UW_INGEST_TOKEN": "simulated-token", "UW_INGEST_SOURCE": "uw-simulator",
        "UW_INGEST_CALENDAR": "always_open",
    }  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UW_", "BALEEN_"))}
    environ = {**clean, **{name: str(value) for name, value in told.items()}}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uw_ingest", env=environ, stderr=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as http:
            await until(lambda: _joined(http, url), "all channels are joined")
        yield url
    finally:
        child.send_signal(signal.SIGTERM)
        await asyncio.wait_for(child.wait(), WITHIN)


async def _joined(http: httpx.AsyncClient, url: str) -> bool:
    try:
        channels = (await http.get(f"{url}/budget")).json()["channels"]
    except (httpx.HTTPError, ValueError):
        return False
    return bool(channels) and all(channel["state"] == "joined" for channel in channels)


@pytest.mark.slow
async def test_what_a_real_ingest_hears_is_recorded_without_a_hole(tmp_path: Path, nats_server: NatsServer):
    """Every option trade that the journal has between the first recorded and the last, in order."""
    tape, journal = tmp_path / "tape", tmp_path / "journal"
    async with (
        Simulator.in_process(source="mix", journal=journal) as simulator,
        ingesting(nats_server, simulator.http_url) as ingest,
        baleen("record", "--to", tape, "--ingest", ingest, "--for", 3) as child,
    ):
        code, said = await ended(child)

    frames = data([text for _, text in recording([tape])()])
    recorded = [f"option_trade:{payload['id']}" for name, payload in frames if name == "option_trades"]
    noted = [line.split() for line in journal.read_text().splitlines()]
    trades = [identity for _, channel, _, identity in noted if channel == "option_trades"]
    first = trades.index(recorded[0])
    assert (code, len(recorded) > 100, "0 dropped, 0 holes" in said) == (0, True, True)
    assert recorded == trades[first : first + len(recorded)]
