"""A real Prometheus that scrapes what a test says, and is asked as Grafana asks it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.clients.installing import debian_package

from baleen.ports import free_ports

READY_WITHIN = 60.0


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that an expression is now."""
        answer = self._client.post("/api/v1/query", data={"query": expr}).json()
        assert answer["status"] == "success", (expr, answer)
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that fire, or are about to."""
        found: list[dict[str, Any]] = self._told("/api/v1/alerts")["alerts"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with how its last judgement went."""
        return [rule for group in self._told("/api/v1/rules")["groups"] for rule in group["rules"]]

    def _told(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = self._client.get(path).raise_for_status().json()["data"]
        return told

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()


@contextmanager
def prometheus(targets: Mapping[str, str], folder: Path) -> Iterator[Prometheus]:
    """Run one that scrapes each target (`host:port`), under its job, every second; end it afterwards."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [at]}]} for job, at in targets.items()]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
    with running_prometheus(config, folder, free_ports().monitor) as running:
        yield running


@contextmanager
def running_prometheus(configured: Mapping[str, Any], folder: Path, port: int) -> Iterator[Prometheus]:
    """Run one with this configuration on a port; end it afterwards."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(dict(configured)))
    log = folder / "prometheus.log"
    command = [
        debian_package("prometheus") / "usr/bin/prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + READY_WITHIN
        while not running.ready():
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield running
    finally:
        running.close()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
