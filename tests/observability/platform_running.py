"""The platform as operators run it: simulator and services as processes over a real nats-server.

What they show at `/metrics` is what Prometheus gets, which no registry made for a test is. Everything that
makes a family of metrics appear is on: a spool, rules with a destination and a watch, two gateway workers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_runtime.testing import ServiceProcess
from uw_simulator.testing import drinking_from

STARTED_WITHIN = 60.0  # seconds; four at once on few cores
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
        several = {"WS_GATEWAY_PORT": "0", "WS_GATEWAY_WORKERS": "2"}
        accounted = {
            "ALERT_BRIDGE_PORT": "0",
            "ALERT_BRIDGE_RULES": str(rules),
            "ALERT_BRIDGE_SPOOL": str(folder / "spool.db"),
        }

        def start(module: str, variables: Mapping[str, str], *, listens: str = "listening") -> ServiceProcess:
            """Let it begin; it listens later, beside the others."""
            process = ServiceProcess(module, {"BALEEN_NATS_URL": nats.url, **variables}, listens=listens)
            closing.callback(process.close)
            process.start()
            return process

        gateway = start("ws_gateway", several, listens="all workers listen")
        bridge = start("alert_bridge", accounted)
        simulator = closing.enter_context(ServiceProcess("uw_simulator", {"UW_SIMULATOR_PORT": "0"}))
        ingest = start("uw_ingest", drinking_from(simulator.port))
        services = {"uw-ingest": ingest, "ws-gateway": gateway, "alert-bridge": bridge}
        for service in services.values():
            service.wait_until_listening(STARTED_WITHIN)
        urls = {job: service.http for job, service in services.items()}
        (announced,) = (nats.folder / "ports").glob("*.ports")
        yield Running(urls, json.loads(announced.read_text())["monitoring"][0])
