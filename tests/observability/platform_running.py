"""The platform as operators run it: simulator and services as processes over a real nats-server.

What they show at `/metrics` is what Prometheus gets, which no registry made for a test is. Everything that
makes a family of metrics appear is on: a spool, rules with a destination and a watch, two gateway workers.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer

STARTED_WITHIN = 60.0  # seconds; four at once on few cores
TOKEN = "simulated-token"
OURS = ("BALEEN_", "UW_", "UNUSUAL", "WS_GATEWAY_", "ALERT_BRIDGE_")
RULES = """
destinations:
  desk:
    type: discord
    url: https://127.0.0.1:9/api/webhooks/1187013623014789150/nobody
    allow_private: true
routes:
  - {name: everything, to: desk}
watches:
  - name: whales
    subject: uw.v1.flow_alert.>
    where: premium >= 0
    alert_type: whale
    title: "{symbol} {premium}"
"""


@dataclass(frozen=True)
class Running:
    """The services that run, by job, each with where it listens; and where nats-server tells of itself."""

    urls: Mapping[str, str]
    monitor: str

    def metrics(self, job: str) -> str:
        """What one shows to Prometheus."""
        return httpx.get(f"{self.urls[job]}/metrics", timeout=10, trust_env=False).raise_for_status().text

    def until(self, condition: Callable[[], bool], what: str, within: float = STARTED_WITHIN) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
            time.sleep(0.1)


@contextmanager
def running_platform(folder: Path) -> Iterator[Running]:
    """Start everything on free ports; all is ended by its pid afterwards."""
    rules = folder / "rules.yml"
    rules.write_text(RULES)
    with NatsServer() as nats, ExitStack() as closing:
        asyncio.run(bootstrap(url=nats.url))
        common = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        common |= {"BALEEN_NATS_URL": nats.url, "BALEEN_LOG_FORMAT": "json"}

        def start(module: str, variables: dict[str, str]) -> Callable[[], str]:
            return closing.enter_context(_process(module, common | variables, folder / f"{module}.log"))

        simulator = start("uw_simulator", {"UW_SIMULATOR_PORT": "0"})
        gateway = start("ws_gateway", {"WS_GATEWAY_PORT": "0", "WS_GATEWAY_WORKERS": "2"})
        bridge = start(
            "alert_bridge",
            {
                "ALERT_BRIDGE_PORT": "0",
                "ALERT_BRIDGE_RULES": str(rules),
                "ALERT_BRIDGE_SPOOL": str(folder / "spool.db"),
            },
        )
        ingest = start(
            "uw_ingest",
            {
                "UW_INGEST_PORT": "0",
                "UW_INGEST_UPSTREAM_URL": simulator(),
                "UW_INGEST_TOKEN": TOKEN,
                "UW_INGEST_SOURCE": "uw-simulator",
                "UW_INGEST_CALENDAR": "always_open",
            },
        )
        urls = {"uw-ingest": ingest(), "ws-gateway": gateway(), "alert-bridge": bridge()}
        (announced,) = (nats.folder / "ports").glob("*.ports")
        yield Running(urls, json.loads(announced.read_text())["monitoring"][0])


@contextmanager
def _process(module: str, environ: Mapping[str, str], log: Path) -> Iterator[Callable[[], str]]:
    """Run a service; what this yields waits for its address."""
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", module], stdout=out, stderr=out, env=dict(environ))

    def url() -> str:
        deadline = time.monotonic() + STARTED_WITHIN
        while (port := _port(log)) is None:
            assert process.poll() is None, f"{module} ended:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{module} does not listen:\n{log.read_text()[-3000:]}"
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _port(log: Path) -> int | None:
    for line in log.read_text(errors="replace").splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "listening" and "port" in said:
            return int(said["port"])
    return None
