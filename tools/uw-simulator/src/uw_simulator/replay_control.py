"""The control endpoint's part that plays recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, HTTPException

from uw_simulator.control import only_loopback
from uw_simulator.orders import Play
from uw_simulator.recordings import recording
from uw_simulator.replay import Recorded
from uw_simulator.stage import Stage
from uw_simulator.upstream import Upstream


def replay_routes(
    upstream: Upstream, stage: Stage, identities: Callable[[], Callable[[int, str], str]]
) -> APIRouter:
    """Return the routes.

    Args:
        upstream: tells whether somebody listens.
        stage: where the recording is played.
        identities: gives each recording a maker of new identities.
    """
    router = APIRouter(prefix="/_sim/replay", dependencies=[Depends(only_loopback)])

    @router.post("")
    async def play(order: Play) -> dict[str, Any]:
        """Play a recording instead of what is played now; the other sources are silent until it ends."""
        try:
            frames = recording(order.files)
        except (ValueError, OSError) as error:
            raise HTTPException(422, str(error)) from None
        stage.recording = Recorded(
            frames, order.speed, identities(), verbatim=order.verbatim, once=order.once,
            ready=upstream.listened_to if order.wait else lambda _now: True,
        )  # fmt: skip
        return stage.told()

    @router.get("")
    async def progress() -> dict[str, Any]:
        """Return how far it is."""
        return stage.told()

    @router.post("/stop")
    async def stop() -> dict[str, Any]:
        """Play it no more; the other sources go on."""
        if stage.recording is not None:
            stage.recording.stop()
        return stage.told()

    return router
