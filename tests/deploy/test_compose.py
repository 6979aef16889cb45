"""`docker compose up` for real: images are built, the stack comes up, a flow alert reaches a client."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
import yaml
from websockets.asyncio.client import connect

from baleen.ports import free_ports
from baleen_contracts.catalogue import by_name
from baleen_contracts.flow_alert import FlowAlert

ROOT = Path(__file__).resolve().parents[2]
BUILT_WITHIN, UP_WITHIN, ARRIVES_WITHIN = 900, 240, 60
SERVICES = ("nats", "simulator", "uw-ingest", "ws-gateway", "alert-bridge", "prometheus")
"""What is brought up, with what it needs. Grafana and the exporter of NATS are left out: their images can
only be downloaded, and these tests run where that is not possible."""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(BUILT_WITHIN + UP_WITHIN + 180)]


def why_not() -> str:
    """Return why Compose cannot be used here; empty if it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if tried.returncode:
            lines = (tried.stderr or tried.stdout).strip().splitlines() or ["no reason given"]
            return f"`{' '.join(command)}` fails: {lines[-1]}"
    return ""


def prometheus_image() -> str:
    """Return the image of Prometheus that this machine has, else the one that compose would download."""
    given = os.environ.get("PROMETHEUS_IMAGE") or "prom/prometheus:latest"
    known = subprocess.run(
        ["docker", "image", "inspect", given], capture_output=True, timeout=60, check=False
    )
    return given if known.returncode == 0 else os.environ.get("PROMETHEUS_IMAGE", "")


@dataclass
class Stack:
    """A running stack with ports of its own."""

    project: str
    environ: dict[str, str]

    def compose(self, *arguments: str, within: int) -> str:
        """Run `docker compose` and return what it said."""
        done = subprocess.run(
            ["docker", "compose", "-p", self.project, *arguments],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, f"docker compose {arguments[0]} failed:\n{done.stdout[-6000:]}"
        return done.stdout

    def prometheus(self) -> httpx.AsyncClient:
        """Return a client of the stack's Prometheus."""
        url = f"http://127.0.0.1:{self.environ['PROMETHEUS_PORT']}"
        return httpx.AsyncClient(base_url=url, trust_env=False, timeout=10)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack of docker-compose.yml, taken down afterwards with its volumes."""
    if reason := why_not():
        pytest.skip(reason)
    ports = free_ports()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("UW_")} | {
        "COMPOSE_DISABLE_ENV_FILE": "1",  # what stands in a person's .env is not what is tested
        "IMAGE_TAG": "test",
        "NATS_PORT": str(ports.nats),
        "NATS_MONITOR_PORT": str(ports.monitor),
        "WS_GATEWAY_PORT": str(ports.gateway),
        "UW_INGEST_PORT": str(ports.ingest),
        "ALERT_BRIDGE_PORT": str(ports.bridge),
        "UW_SIMULATOR_PORT": str(ports.simulator),
        "PROMETHEUS_PORT": str(ports.discord),  # nobody else's, as this stack has no simulated Discord
        "PROMETHEUS_IMAGE": prometheus_image(),
    }
    environ.setdefault("BUILD_NETWORK", "host")  # builders reach packages the way this machine does
    one = Stack(f"baleen-test-{os.getpid()}", environ)
    try:
        one.compose("build", within=BUILT_WITHIN)
        try:
            one.compose("up", "--detach", "--wait", *SERVICES, within=UP_WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{one.compose('logs', '--tail', '30', within=60)}") from None
        yield one
    finally:
        one.compose("down", "--volumes", "--timeout", "10", within=120)


async def test_a_flow_alert_reaches_a_websocket_client(stack: Stack):
    """Simulated data goes through every container: simulator, ingest, bus, gateway."""
    url = f"ws://127.0.0.1:{stack.environ['WS_GATEWAY_PORT']}/v1/stream"
    pattern = by_name("flow_alert").pattern
    async with asyncio.timeout(ARRIVES_WITHIN), connect(url, proxy=None) as client:
        await client.send(orjson.dumps({"op": "subscribe", "topics": [pattern], "snapshot": False}).decode())
        async for text in client:
            frame = orjson.loads(text)
            if frame["op"] == "event":
                break
    alert = FlowAlert.model_validate(frame["data"])
    assert frame["topic"] == alert.subject


async def test_an_alert_posted_to_the_webhook_is_stored(stack: Stack):
    """The webhook of the source `local` exists and takes what a bot posts."""
    said = stack.compose("logs", "--no-log-prefix", "webhook", within=60)
    path = said.strip().splitlines()[-1].partition("/api/")[2]
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{stack.environ['ALERT_BRIDGE_PORT']}/api/{path}"
        answer = await http.post(url, params={"wait": "true"}, json={"content": "hello"}, timeout=10)
    assert answer.is_success, answer.text


async def test_prometheus_reaches_every_target(stack: Stack):
    """Every service answers at the name and port that the configuration has, and data is seen to flow."""
    flowing = {"query": "sum(baleen_ingest_published_total) > 0"}
    async with stack.prometheus() as http, asyncio.timeout(ARRIVES_WITHIN):
        while True:
            targets = (await http.get("/api/v1/targets")).json()["data"]["activeTargets"]
            found = (await http.get("/api/v1/query", params=flowing)).json()["data"]["result"]
            if found and targets and all(target["health"] == "up" for target in targets):
                break
            await asyncio.sleep(1)
    jobs = {target["labels"]["job"] for target in targets}
    assert jobs == {"uw-ingest", "ws-gateway", "alert-bridge", "prometheus"}


async def test_every_rule_loads_and_can_be_evaluated(stack: Stack):
    """All of the files' rules are there, and none fails on what the services really show."""
    written = [
        rule.get("alert") or rule["record"]
        for file in sorted((ROOT / "observability/prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    async with stack.prometheus() as http, asyncio.timeout(ARRIVES_WITHIN):
        while True:
            groups = (await http.get("/api/v1/rules")).json()["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            if rules and all(rule["health"] != "unknown" for rule in rules):
                break
            await asyncio.sleep(1)
    assert sorted(rule["name"] for rule in rules) == sorted(written)
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_no_container_runs_as_root(stack: Stack):
    """Our own images run as a user without a name or rights; the public NATS image keeps its own."""
    for service in ("simulator", "uw-ingest", "ws-gateway", "alert-bridge"):
        assert stack.compose("exec", "-T", service, "id", "-u", within=60).strip() == "10001"
