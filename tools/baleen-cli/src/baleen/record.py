"""`baleen record`: the raw frames that uw-ingest hears, on disk, with the times at which they came."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

from baleen.errors import CannotRun
from baleen.leaving import until_asked_to_leave
from baleen.recorder import Recorder, recorder_folder
from baleen.terminal import Terminal

_COME_BACK = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each attempt to come back; the last one is repeated."""
_DEAD_AFTER = 15.0  # seconds without even a sign of life, which comes every five
_TELL_EVERY = 5.0
_MARK_AT_MOST = 120  # bytes; a longer line is a frame


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What the command line said.

    Attributes:
        ingests: base URLs of uw-ingest's operator ports.
        folder: where the files go.
        rotate_mib: compressed size of a file.
        rotate_minutes: longest a file is written to.
        keep: closed files that stay; 0 keeps all.
        seconds: end after so long; 0 is never.
    """

    ingests: Sequence[str]
    folder: Path
    rotate_mib: float = 256.0
    rotate_minutes: float = 60.0
    keep: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """What was recorded so far, and what is missing."""

    frames: int = 0
    dropped: int = 0
    holes: int = 0
    away: set[str] = field(default_factory=set)


def record(options: RecordOptions, terminal: Terminal) -> int:
    """Record until Ctrl-C or the time is over; return the exit code."""
    try:
        with recorder_folder(options.folder) as left:
            for file in left:
                terminal.progress(f"{file.name} was left unfinished; it can be read up to its end")
            return asyncio.run(until_asked_to_leave(_record(options, terminal), terminal))
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1


async def _record(options: RecordOptions, terminal: Terminal) -> int:
    await _somebody_answers(options.ingests)
    tally = Tally()
    recorder = Recorder(
        options.folder, rotate_bytes=options.rotate_mib * 2**20, rotate_seconds=options.rotate_minutes * 60,
        keep=options.keep,
    )  # fmt: skip
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.seconds or None), asyncio.TaskGroup() as tasks:
                for url in options.ingests:
                    listening = _listen(url.rstrip("/"), recorder, tally, terminal)
                    tasks.create_task(listening, name=f"listen-{url}")
                tasks.create_task(_keep_readable(recorder), name="keep-readable")
                tasks.create_task(_tell(recorder, tally, terminal), name="tell")
    finally:
        recorder.close()
        terminal.progress(f"recorded {_summary(recorder, tally)} to {options.folder}")
    return 0


async def _somebody_answers(ingests: Sequence[str]) -> None:
    async with httpx.AsyncClient(timeout=5) as http:
        for url in ingests:
            with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
                if (await http.get(f"{url.rstrip('/')}/livez")).status_code == httpx.codes.OK:
                    return
    raise CannotRun(
        f"No uw-ingest answers at {', '.join(ingests)}. Is it up (`make up`), and is this its operator port? "
        "Name another with --ingest."
    )


async def _listen(url: str, recorder: Recorder, tally: Tally, terminal: Terminal) -> None:
    """Write down what one ingest hears, for ever; what is missed meanwhile is marked as a hole."""
    heard_at, attempt = time.time(), 0
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=_DEAD_AFTER)) as http:
        while True:
            try:
                async with http.stream("GET", f"{url}/frames") as answer:
                    answer.raise_for_status()
                    if attempt:
                        _mark_hole(url, heard_at, recorder, tally)
                        terminal.progress(f"{url} is back")
                        tally.away.discard(url)
                    rest, attempt = b"", 0
                    async for chunk in answer.aiter_raw():
                        whole, newline, rest = (rest + chunk).rpartition(b"\n")
                        heard_at = time.time()
                        _write(whole + newline, recorder, tally)
                why = "it ended"
            except httpx.HTTPStatusError as error:
                why = f"it answers {error.response.status_code}"
            except httpx.HTTPError as error:
                why = type(error).__name__
            if attempt == 0:
                terminal.progress(f"{url} is away ({why}); coming back")
                tally.away.add(url)
            await asyncio.sleep(_COME_BACK[min(attempt, len(_COME_BACK) - 1)])
            attempt += 1


def _write(lines: bytes, recorder: Recorder, tally: Tally) -> None:
    kept = [line for line in lines.split(b"\n") if line]
    if not kept:
        return
    for line in kept:
        lost = _dropped(line)
        tally.dropped += lost
        tally.frames += not lost
    recorder.write(b"\n".join(kept) + b"\n")


def _dropped(line: bytes) -> int:
    """Return how many frames a mark says are missing; a frame is no mark."""
    if len(line) > _MARK_AT_MOST or b'"dropped"' not in line:
        return 0
    try:
        found = orjson.loads(line).get("dropped", 0)
    except (ValueError, AttributeError):
        return 0
    return found if isinstance(found, int) else 0


def _mark_hole(url: str, since: float, recorder: Recorder, tally: Tally) -> None:
    tally.holes += 1
    mark = {"at": since, "hole": round(time.time() - since, 3), "ingest": url}
    recorder.write(orjson.dumps(mark, option=orjson.OPT_APPEND_NEWLINE))


async def _keep_readable(recorder: Recorder) -> None:
    while True:
        await asyncio.sleep(1)
        recorder.tick()


async def _tell(recorder: Recorder, tally: Tally, terminal: Terminal) -> None:
    while True:
        await asyncio.sleep(_TELL_EVERY)
        away = f", away: {', '.join(sorted(tally.away))}" if tally.away else ""
        terminal.progress(_summary(recorder, tally) + away)


def _summary(recorder: Recorder, tally: Tally) -> str:
    return (
        f"{tally.frames:,} frames, {recorder.size / 2**20:.1f} MiB in {recorder.files} files, "
        f"{tally.dropped:,} dropped, {tally.holes} holes"
    )
