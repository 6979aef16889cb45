"""Captured and recorded frames as sources: played again, as if they happened now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from uw_simulator.plan import Every, phase_of
from uw_simulator.samples import restamp
from uw_simulator.sources import Sink

Captured = dict[str, list[tuple[str, dict[str, Any]]]]
Arrival = tuple[float, str]
"""When a frame arrived, in epoch seconds, and its text."""


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
    """A recording of frames with their arrival times, played at a speed, again and again or once.

    Args:
        open_frames: begins the recording: (arrival in epoch seconds, frame text), in order of arrival.
        speed: 1 is as it was, 100 a hundred times as fast.
        fresh: makes a new identity for (loop, old identity).
        verbatim: leave the frames as they were recorded.
        once: end after the last frame instead of beginning anew.
        ready: tells at a moment whether to begin; until then nothing is played.
    """

    def __init__(
        self, open_frames: Callable[[], Iterator[Arrival]], speed: float, fresh: Callable[[int, str], str], *,
        verbatim: bool = False, once: bool = False, ready: Callable[[float], bool] = lambda _now: True,
    ) -> None:  # fmt: skip
        self._open, self.speed, self._fresh = open_frames, speed, fresh
        self._verbatim, self._once, self._ready = verbatim, once, ready
        self._frames: Iterator[Arrival] = iter(())
        self._next: Arrival | None = None
        self._first = self._started = 0.0
        self._loop = -1  # none has begun
        self.played = 0
        self.done = False

    @property
    def waiting(self) -> bool:
        """Whether it has not begun yet."""
        return self._loop < 0 and not self.done

    def step(self, now: float, sink: Sink) -> None:
        """Emit every frame whose time has come at *now*."""
        if self.done or (self._loop < 0 and not self._ready(now)):
            return
        if self._next is None:
            self._begin(now)
        while self._next is not None:
            at, text = self._next
            if (at - self._first) / self.speed > now - self._started:
                return
            self._say(at, text, now, sink)
            self._next = next(self._frames, None)

    def stop(self) -> None:
        """Play no more."""
        self.done, self._next = True, None

    def _begin(self, now: float) -> None:
        self._frames = self._open()
        self._next = next(self._frames, None)
        self._loop += 1
        if self._next is None or (self._once and self._loop):
            self.stop()
        else:
            self._first, self._started = self._next[0], now

    def _say(self, at: float, text: str, now: float, sink: Sink) -> None:
        parsed = read_frame(text)
        if parsed is None:
            return
        joined, payload = parsed
        self.played += 1
        ticker = ticker_of(joined, payload)
        if self._verbatim:
            body = text.partition(",")[2].rstrip()[:-1].encode()
        else:
            fresh = partial(self._fresh, self._loop)
            body = orjson.dumps(restamp(payload, now_ms=int(now * 1000), base_ms=int(at * 1000), fresh=fresh))
        sink.emit(joined.partition(":")[0], ticker, body)


def read_recording(lines: Iterable[bytes]) -> Iterator[Arrival]:
    """Yield arrival and text of frames, from JSON lines of ``{"at": …, "frame": text}``.

    Lines that mark what is missing (``dropped``, ``hole``) are passed over. A last line without an end is how
    a recording looks whose writer was killed: what came before it is all there is.

    Raises:
        ValueError: a line is not of that form; the message says which.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line)
            if "dropped" in entry or "hole" in entry:
                continue
            at, text = entry["at"], entry["frame"]
            seconds = float(at) if isinstance(at, int | float) else datetime.fromisoformat(at).timestamp()
            frame = text if isinstance(text, str) else orjson.dumps(text).decode()
        except (ValueError, KeyError, TypeError) as error:
            if not line.endswith(b"\n"):
                return
            raise ValueError(f"line {number} of the recording is not {{at, frame}}: {error}") from None
        yield seconds, frame


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
