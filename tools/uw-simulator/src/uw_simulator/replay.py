"""Captured and recorded frames as sources: played again, as if they happened now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from uw_simulator.plan import Every, phase_of
from uw_simulator.samples import restamp
from uw_simulator.sources import Sink

Captured = dict[str, list[tuple[str, dict[str, Any]]]]


class Samples:
    """The captured frames, round and round, as if they happened now.

    Args:
        captured: frames by file, as `samples.socket_frames` returns them.
        period: seconds between two frames of one file.
        fresh: makes a new identity for (loop, old identity).
        verbatim: leave times and identities as they were captured.
    """

    def __init__(
        self, captured: Captured, period: float, fresh: Callable[[int, str], str], *, verbatim: bool = False
    ) -> None:
        self._captured, self._fresh, self._verbatim = captured, fresh, verbatim
        self._timers = {name: Every(period, phase_of(name, period)) for name in captured}
        self._places = dict.fromkeys(captured, 0)

    def step(self, now: float, sink: Sink) -> None:
        """Emit the next frame of each file that is due at *now*."""
        for name, timer in self._timers.items():
            if not timer.due(now):
                continue
            frames = self._captured[name]
            loop, place = divmod(self._places[name], len(frames))
            self._places[name] += 1
            joined, payload = frames[place]
            if not self._verbatim:
                payload = restamp(payload, now_ms=int(now * 1000), fresh=partial(self._fresh, loop))
            sink.emit(joined.partition(":")[0], ticker_of(joined, payload), orjson.dumps(payload))


class Recorded:
    """A recording of frames with their arrival times, played at a speed, again and again.

    Args:
        frames: (arrival in epoch seconds, frame text), in order of arrival.
        speed: 1 is as it was, 100 a hundred times as fast.
        started: epoch seconds of the first step.
        fresh: makes a new identity for (loop, old identity).
        verbatim: leave the frames as they were recorded.
    """

    def __init__(
        self, frames: list[tuple[float, str]], speed: float, started: float,
        fresh: Callable[[int, str], str], *, verbatim: bool = False,
    ) -> None:  # fmt: skip
        self._frames, self._speed, self._fresh, self._verbatim = frames, speed, fresh, verbatim
        self._started, self._place, self._loop = started, 0, 0

    def step(self, now: float, sink: Sink) -> None:
        """Emit every frame whose time has come at *now*."""
        if not self._frames:
            return
        first = self._frames[0][0]
        while True:
            if self._place == len(self._frames):
                self._place, self._started = 0, now
                self._loop += 1
                return
            at, text = self._frames[self._place]
            if (at - first) / self._speed > now - self._started:
                return
            self._place += 1
            self._say(at, text, now, sink)

    def _say(self, at: float, text: str, now: float, sink: Sink) -> None:
        parsed = read_frame(text)
        if parsed is None:
            return
        joined, payload = parsed
        if not self._verbatim:
            payload = restamp(
                payload,
                now_ms=int(now * 1000),
                base_ms=int(at * 1000),
                fresh=partial(self._fresh, self._loop),
            )
        sink.emit(joined.partition(":")[0], ticker_of(joined, payload), orjson.dumps(payload))


def read_recording(lines: Iterable[bytes]) -> list[tuple[float, str]]:
    """Return arrival in epoch seconds and text of frames, from JSON lines of ``{"at": …, "frame": text}``.

    Raises:
        ValueError: a line is not of that form; the message says which.
    """
    frames = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line)
            at, text = entry["at"], entry["frame"]
            seconds = float(at) if isinstance(at, int | float) else datetime.fromisoformat(at).timestamp()
            frames.append((seconds, text if isinstance(text, str) else orjson.dumps(text).decode()))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of the recording is not {{at, frame}}: {error}") from None
    return frames


def read_frame(text: str) -> tuple[str, dict[str, Any]] | None:
    """Return joined name and payload of a data frame; None for acks and everything else."""
    try:
        frame = orjson.loads(text)
    except ValueError:
        return None
    if not (
        isinstance(frame, list)
        and len(frame) == 2  # noqa: PLR2004 - name and payload
        and isinstance(frame[0], str)
        and isinstance(frame[1], dict)
    ):
        return None
    return None if frame[1].keys() == {"response", "status"} else (frame[0], frame[1])


def ticker_of(joined: str, payload: dict[str, Any]) -> str | None:
    """Return the ticker that a record is about, from its fields or else from the name it was heard under."""
    found = payload.get("ticker") or payload.get("underlying_symbol") or joined.partition(":")[2]
    return str(found) or None
