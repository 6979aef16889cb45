"""Reads the file of sources again when it changes; a broken one keeps those that were known, and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from alert_bridge.errors import SourcesUnreadable
from alert_bridge.receive.source import Sources
from alert_bridge.receive.sources import read_sources
from baleen_runtime.health import Health
from baleen_runtime.logs import hide

EVERY = 1.0
"""Seconds between two looks. The bytes are compared: a mounted file may change without a newer time."""
PART = "sources"
"""Under which readiness tells of it."""

log = structlog.get_logger(__name__)


async def run_sources(path: Path | None, sources: Sources, health: Health, *, every: float = EVERY) -> None:
    """Keep *sources* as the file at *path* has them, until cancelled. Without a file there is nothing to do.

    A bridge whose file is broken is still sent work: those who were known are let in as before.
    """
    if path is None:
        return
    seen: bytes | None = None
    while True:
        now = await asyncio.to_thread(_bytes_of, path)
        if now != seen:
            seen = now
            _take(path, now, sources, health)
        await asyncio.sleep(every)


def _take(path: Path, text: bytes | None, sources: Sources, health: Health) -> None:
    try:
        known = read_sources(text, path) if text is not None else None
        problem = "" if known is not None else f"{path} cannot be read"
    except SourcesUnreadable as error:
        known, problem = None, str(error)
    if known is None:
        log.error("the sources stay as they were", reason=problem)
        health.report(PART, ok=True, note=f"as they were before: {problem}")
        return
    sources.replace(known)
    hide(sources.tokens)
    health.report(PART, ok=True)
    log.info("sources read", sources=len(known))


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
