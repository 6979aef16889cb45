"""A bridge as operators run it, on a bus with users, and a source for every client that speaks to it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from alert_bridge.receive.source import Limit, Source
from baleen_bus import open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts.alert import Alert
from baleen_runtime.testing import ServiceProcess

BOTS = Path(__file__).parent / "bots"
WITHIN = 60.0
"""Seconds until a test gives up; a busy machine takes many of them to start a client."""


@dataclass
class Bridge:
    """A bridge's process, its bus, and who may post to it."""

    nats: NatsServer
    process: ServiceProcess
    sources: dict[str, Source]

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return self.process.http

    def webhook(self, name: str) -> str:
        """The webhook URL of a source."""
        return self.sources[name].webhook_url(self.url)

    def unknown(self) -> str:
        """A webhook URL that nobody gave out."""
        return f"{self.url}/api/webhooks/{'9' * 18}/{'x' * 68}"

    def alerts(self, name: str) -> list[Alert]:
        """What the stream has from a source, in order."""
        return [alert for alert in asyncio.run(self._stored()) if alert.source == name]

    async def _stored(self) -> list[Alert]:
        user = self.nats.credentials("team")
        async with open_bus(url=self.nats.url, name="reader", connect_within=10, **user) as bus:
            last = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]["last_seq"]
            found = []
            for seq in range(1, last + 1):
                reply = await bus.request("$JS.API.DIRECT.GET.ALERT", json.dumps({"seq": seq}).encode())
                found.append(Alert.model_validate_json(reply.data))
            return found

    def until(self, condition: Callable[[], object], within: float = WITHIN) -> None:
        """Wait until the condition holds, or fail with what the bridge logged."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, self.process.last_words()
            time.sleep(0.02)

    def ready(self) -> bool:
        """Whether it may be sent work."""
        return httpx.get(f"{self.url}/readyz").status_code == 200

    def count(self, outcome: str) -> float:
        """How many requests ended so."""
        with urlopen(f"{self.url}/metrics") as answer:  # noqa: S310 - the bridge's own address
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if "_requests_total{" in line and f'outcome="{outcome}"' in line
        )


NAMES = (
    *(
        f"{library}-{how}-{what}"
        for library in ("discord-py", "nextcord", "disnake", "py-cord")
        for how in ("sync", "async")
        for what in ("talk", "change", "hurry", "send")
    ),
    *(
        "requests",
        "httpx",
        "aiohttp",
        "discord-webhook",
        "apprise",
        "away",
        "alertmanager",
        "alertmanager-discord",
    ),
)


def _source(number: int, name: str) -> Source:
    limit = Limit(requests=1, seconds=3) if name.endswith("hurry") else None
    token = f"{number:02d}" + "abcdefghijk_-ABCDEFGHIJK" * 2 + "0123456789wxyzWXYZ"
    return Source(name=name, id=str(10**17 + number), token=token, limit=limit)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge that is ready, ended by its pid afterwards."""
    folder = tmp_path_factory.mktemp("bridge")
    known = {name: _source(number, name) for number, name in enumerate(NAMES)}
    file = folder / "sources.json"
    file.write_text(json.dumps([source.model_dump(mode="json") for source in known.values()]))
    file.chmod(0o600)
    with NatsServer(with_users=True) as nats:
        asyncio.run(bootstrap(url=nats.url, **nats.credentials("bootstrap")))
        ours = {
            "BALEEN_NATS_URL": nats.url,
            "ALERT_BRIDGE_PORT": "0",
            "ALERT_BRIDGE_SOURCES": str(file),
            "ALERT_BRIDGE_NATS_USER": "alert-bridge",
            "ALERT_BRIDGE_NATS_PASSWORD": nats.passwords["alert-bridge"],
            "ALERT_BRIDGE_STORE_WITHIN": "0.3",
        }
        with ServiceProcess("alert_bridge", ours) as process:
            process.wait_until_ready()
            yield Bridge(nats, process, known)


@pytest.fixture
def speak(bridge: Bridge) -> Callable[..., Any]:
    """Starts a client's program; what it returns waits for its end, and reads what it printed."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *words: str, client: Path, url: str, **environ: str) -> Callable[[], Any]:
        path = os.pathsep.join([str(client), *filter(None, [os.environ.get("PYTHONPATH")])])
        given = {"PYTHONPATH": path, "WEBHOOK_URL": url, "UNKNOWN_URL": bridge.unknown(), **environ}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(BOTS / program), *words],
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)

        def ended() -> Any:
            said, complained = process.communicate(timeout=2 * WITHIN)
            assert process.returncode == 0, complained + bridge.process.last_words()
            return json.loads(said)

        return ended

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
