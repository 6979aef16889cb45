"""Who speaks: the sources that the settings name, or for a while a recording somebody asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uw_simulator.replay import Recorded
from uw_simulator.sources import Sink, Source


class Stage:
    """Steps the sources; while a recording plays, they are silent."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.recording: Recorded | None = None

    def step(self, now: float, sink: Sink) -> None:
        """Emit what is due at *now*."""
        recording = self.recording
        if recording is not None and not recording.done:
            recording.step(now, sink)
            return
        for source in self._sources:
            source.step(now, sink)

    def told(self) -> dict[str, Any]:
        """Return how far the recording is."""
        recording = self.recording
        if recording is None:
            return {"state": "none", "played": 0}
        state = "done" if recording.done else "waiting" if recording.waiting else "playing"
        return {"state": state, "played": recording.played, "speed": recording.speed}
