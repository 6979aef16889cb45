"""`baleen replay`: recorded frames, played by the simulator as if they happened now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from baleen.errors import CannotRun
from baleen.leaving import until_asked_to_leave
from baleen.terminal import Terminal

_START_WITHIN = 20.0
_LEAVE_WITHIN = 5.0
_LOOK_EVERY = 0.2
_TELL_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the command line said.

    Attributes:
        files: recordings, or folders of them, in the order in which they are played.
        speed: seconds of the recording that pass in one.
        simulator: where it listens, or shall.
        loop: begin anew after the end.
        verbatim: leave times and ids as they were.
    """

    files: Sequence[Path]
    speed: float = 1.0
    simulator: str = "http://127.0.0.1:8010"
    loop: bool = False
    verbatim: bool = False


def replay(options: ReplayOptions, terminal: Terminal) -> int:
    """Play until the end or Ctrl-C; return the exit code."""
    try:
        return asyncio.run(until_asked_to_leave(_replay(options, terminal), terminal))
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1


async def _replay(options: ReplayOptions, terminal: Terminal) -> int:
    async with httpx.AsyncClient(base_url=options.simulator, timeout=30) as http, _running(http, terminal):
        order = {
            "files": [str(file.resolve()) for file in options.files], "speed": options.speed,
            "once": not options.loop, "verbatim": options.verbatim,
        }  # fmt: skip
        await _ask(http, "POST", "/_sim/replay", order)
        try:
            await _watch(http, terminal)
        finally:
            with contextlib.suppress(CannotRun):
                await asyncio.shield(_ask(http, "POST", "/_sim/replay/stop"))
    return 0


@contextlib.asynccontextmanager
async def _running(http: httpx.AsyncClient, terminal: Terminal) -> AsyncIterator[None]:
    """Use the simulator that listens there, or run one for as long as the replay takes."""
    if await _answers(http):
        yield
        return
    url = urlsplit(str(http.base_url))
    environ = {**os.environ, "UW_SIMULATOR_SOURCE": "none", "UW_SIMULATOR_PORT": str(url.port or 8010)}
    program = Path(sys.executable).with_name("uw-simulator")
    child = await asyncio.create_subprocess_exec(program, env=environ, stderr=asyncio.subprocess.DEVNULL)
    try:
        await _until_it_answers(http, child)
        terminal.progress(f"a simulator runs at {http.base_url}; let an ingest listen to it:")
        terminal.plain(f"UW_INGEST_UPSTREAM_URL={http.base_url} UW_INGEST_TOKEN=simulated-token uw-ingest")
        yield
    finally:
        await _end(child)


async def _answers(http: httpx.AsyncClient) -> bool:
    """Tell whether a simulator listens there.

    Raises:
        CannotRun: somebody else does.
    """
    try:
        status = (await http.get("/_sim/replay")).status_code
    except httpx.HTTPError:
        return False
    if status != httpx.codes.OK:
        raise CannotRun(
            f"What listens at {http.base_url} is no simulator. Name another place by --simulator."
        )
    return True


async def _until_it_answers(http: httpx.AsyncClient, child: asyncio.subprocess.Process) -> None:
    deadline = asyncio.get_running_loop().time() + _START_WITHIN
    while asyncio.get_running_loop().time() < deadline and child.returncode is None:
        with contextlib.suppress(httpx.HTTPError):
            if (await http.get("/livez")).status_code == httpx.codes.OK:
                return
        await asyncio.sleep(_LOOK_EVERY)
    raise CannotRun(f"No simulator could be started for {http.base_url}: run `uw-simulator` to see why.")


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), _LEAVE_WITHIN)
        except TimeoutError:
            child.kill()
            await child.wait()


async def _watch(http: httpx.AsyncClient, terminal: Terminal) -> None:
    told_at, before = -_TELL_EVERY, ""
    while True:
        progress = await _ask(http, "GET", "/_sim/replay")
        state, played = progress["state"], progress["played"]
        now = asyncio.get_running_loop().time()
        if state != before or now - told_at >= _TELL_EVERY:
            waiting = "; it begins when somebody listens" if state == "waiting" else ""
            terminal.progress(f"{state}, {played:,} frames at {progress.get('speed', 1):g} times{waiting}")
            told_at, before = now, state
        if state in ("done", "none"):
            return
        await asyncio.sleep(_LOOK_EVERY)


async def _ask(
    http: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        answer = await http.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise CannotRun(f"The simulator at {http.base_url} is gone ({type(error).__name__}).") from None
    if answer.status_code != httpx.codes.OK:
        raise CannotRun(f"The simulator does not play that: {_why(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def _why(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
