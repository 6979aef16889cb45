"""Replicas of alert-bridge as operators run them: processes that can be killed and asked to leave.

Only processes started here are signalled, by their pid. Each replica's log holds all its lives.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from alert_bridge.receive.sources import add_source
from baleen_runtime.testing import ServiceProcess


def write_sources(path: Path, *names: str) -> dict[str, str]:
    """Write a file of sources that say type and symbol beside a Discord message; their webhooks' paths."""
    sources = {name: add_source(path, name) for name in names}
    said = json.loads(path.read_text())
    for one in said:
        one["fields"] = {"alert_type": "alert_type", "symbol": "symbol"}
    path.write_text(json.dumps(said))
    return {name: source.webhook_url("") for name, source in sources.items()}


class Bridge(ServiceProcess):
    """One replica through all its lives.

    Args:
        name: how it is called in the test.
        nats_url: its bus.
        folder: where its log is kept.
        variables: environment variables besides the usual ones.
    """

    def __init__(self, name: str, nats_url: str, folder: Path, variables: Mapping[str, str]) -> None:
        ours = {"BALEEN_NATS_URL": nats_url, "ALERT_BRIDGE_PORT": "0"}
        super().__init__("alert_bridge", {**ours, **variables}, folder / f"{name}.log", name=name)


@contextmanager
def ending(*bridges: Bridge) -> Iterator[None]:
    """End every bridge that is left, however the block ends."""
    try:
        yield
    finally:
        for bridge in bridges:
            bridge.kill()


async def account_of(bridge: Bridge) -> dict[str, Any]:
    """What it answers at `/account`, by destination."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = (await client.get(f"{bridge.http}/account")).raise_for_status().json()
    return {one["name"]: one for one in answer["destinations"]}


def rules_file(
    folder: Path,
    destinations: Mapping[str, Mapping[str, Any]],
    routes: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """A rules file; without *routes* all destinations are told everything. JSON is YAML as well."""
    everything = [{"name": "everything", "to": sorted(destinations)}]
    path = folder / "rules.yaml"
    path.write_text(json.dumps({"destinations": destinations, "routes": routes or everything}, indent=1))
    return path


def percentile(values: list[float], share: float) -> float:
    """The value below which so great a *share* of *values* lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def all_ready(*bridges: Bridge) -> None:
    """Start all, and wait until each may be sent work."""
    for bridge in bridges:
        bridge.start()
    await asyncio.gather(*(bridge.ready() for bridge in bridges))
