"""`docker compose up` for real: images are built, data and alerts flow, everything ends and comes again."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import yaml
from observability.promql import metrics_of
from tests.observability.load import in_background, posting, reading, still_mute
from tests.observability.panels import FILES, asked, dashboard
from tests.observability.platform_running import RULES
from tests.observability.test_rules_speak import SILENT_WHILE_WELL
from websockets.asyncio.client import connect

from baleen.ports import free_ports
from baleen_bus import fetch_newest, open_bus, stream_epoch
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name
from baleen_contracts.flow_alert import FlowAlert

ROOT = Path(__file__).resolve().parents[2]
BUILT_WITHIN, UP_WITHIN, ARRIVES_WITHIN, SPEAK_WITHIN = 900, 240, 60, 240
OURS = ("uw-ingest", "ws-gateway", "alert-bridge", "simulator")
SERVICES = ("nats", *OURS, "prometheus", "nats-exporter")
"""What is brought up, with what it needs. Grafana is left out: its image can only be downloaded, and these
tests run where that is not possible. A program of ours stands in for the exporter of NATS."""
PREFIXES = ("BALEEN_", "UW_", "UNUSUAL_", "WS_GATEWAY_", "ALERT_BRIDGE_")
RULE_FILES = sorted((ROOT / "observability/prometheus/rules").glob("*.yml"))
EXPORTER = """\
FROM {python}
COPY nats_told.py /nats_told.py
HEALTHCHECK --interval=2s --retries=20 CMD ["python3", "-c", \\
  "import urllib.request as u; u.urlopen('http://127.0.0.1:7777', timeout=2)"]
ENTRYPOINT ["/opt/baleen/bin/python", "/nats_told.py"]
"""

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

    def url(self, variable: str) -> str:
        """Return where the port of this name is published."""
        return f"http://127.0.0.1:{self.environ[variable]}"

    def up(self) -> None:
        """Bring everything up, and wait until it is ready."""
        try:
            self.compose("up", "--no-build", "--detach", "--wait", *SERVICES, within=UP_WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.compose('logs', '--tail', '30', within=60)}") from None

    def containers(self) -> list[dict[str, Any]]:
        """Return what the engine says of each container of the stack."""
        ids = self.compose("ps", "--all", "--quiet", within=60).split()
        told = subprocess.run(["docker", "inspect", *ids], capture_output=True, timeout=60, check=True)
        found: list[dict[str, Any]] = json.loads(told.stdout)
        return found

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that an expression is now to the stack's Prometheus."""
        url = f"{self.url('PROMETHEUS_PORT')}/api/v1/query"
        answer = httpx.post(url, data={"query": expr}, trust_env=False, timeout=30).json()
        assert answer["status"] == "success", (expr, answer)
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def prometheus(self) -> httpx.AsyncClient:
        """Return a client of the stack's Prometheus."""
        return httpx.AsyncClient(base_url=self.url("PROMETHEUS_PORT"), trust_env=False, timeout=10)


def stand_in_for_the_exporter(folder: Path) -> str:
    """Build an image that says of nats-server what the exporter says; return its name."""
    shutil.copy(ROOT / "tests/observability/nats_told.py", folder)
    (folder / "Dockerfile").write_text(EXPORTER.format(python="baleen/uw-ingest:test"))
    name = "baleen/nats-told:test"
    subprocess.run(["docker", "build", "--quiet", "--tag", name, folder], timeout=120, check=True)
    return name


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of docker-compose.yml under load, taken down afterwards with its volumes.

    All is on that makes a figure appear: two gateway workers, and rules with a destination and a watch.
    """
    if reason := why_not():
        pytest.skip(reason)
    folder, ports = tmp_path_factory.mktemp("stack"), free_ports()
    rules = folder / "rules.yml"
    rules.write_text(RULES)
    rules.chmod(0o644)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)} | {
        "COMPOSE_DISABLE_ENV_FILE": "1",  # what stands in a person's .env is not what is tested
        "IMAGE_PREFIX": "baleen",
        "IMAGE_TAG": "test",
        "IMAGE_REVISION": "0123abc",
        "IMAGE_CREATED": "2026-01-02T03:04:05Z",
        "NATS_PORT": str(ports.nats),
        "NATS_MONITOR_PORT": str(ports.monitor),
        "WS_GATEWAY_PORT": str(ports.gateway),
        "WS_GATEWAY_WORKERS": "2",
        "UW_INGEST_PORT": str(ports.ingest),
        "ALERT_BRIDGE_PORT": str(ports.bridge),
        "ALERT_BRIDGE_RULES": str(rules),
        "UW_SIMULATOR_PORT": str(ports.simulator),
        "PROMETHEUS_PORT": str(ports.discord),  # nobody else's, as this stack has no simulated Discord
        "PROMETHEUS_IMAGE": prometheus_image(),
    }
    environ.setdefault("BUILD_NETWORK", "host")  # builders reach packages the way this machine does
    one = Stack(f"baleen-test-{os.getpid()}", environ)
    try:
        one.compose("build", within=BUILT_WITHIN)
        environ.setdefault("NATS_EXPORTER_IMAGE", stand_in_for_the_exporter(folder))
        one.up()
        with ExitStack() as load:
            load.enter_context(in_background(reading(one.url("WS_GATEWAY_PORT"))))
            load.enter_context(in_background(posting(one.url("ALERT_BRIDGE_PORT"))))
            yield one
    finally:
        one.compose("down", "--volumes", "--timeout", "10", within=120)


async def heard(stack: Stack, pattern: str) -> dict[str, Any]:
    """Return the next event of a topic that a client of the gateway hears."""
    url = f"ws://127.0.0.1:{stack.environ['WS_GATEWAY_PORT']}/v1/stream"
    async with asyncio.timeout(ARRIVES_WITHIN), connect(url, proxy=None, max_size=None) as client:
        await client.send(orjson.dumps({"op": "subscribe", "topics": [pattern], "snapshot": False}).decode())
        async for text in client:
            frame: dict[str, Any] = orjson.loads(text)
            if frame["op"] == "event":
                return frame
    raise AssertionError("the gateway hung up")


async def test_a_flow_alert_reaches_a_websocket_client(stack: Stack):
    """Simulated data goes through every container: simulator, ingest, bus, gateway."""
    frame = await heard(stack, by_name("flow_alert").pattern)
    assert frame["topic"] == FlowAlert.model_validate(frame["data"]).subject


async def test_an_alert_posted_to_the_webhook_reaches_a_websocket_client(stack: Stack):
    """The webhook of the source `local` exists and takes what a bot posts; a dashboard shows it."""
    said = stack.compose("logs", "--no-log-prefix", "webhook", within=60)
    path = said.strip().splitlines()[-1].partition("/api/")[2]
    hearing = asyncio.create_task(heard(stack, "alert.v1.discord.>"))
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{stack.url('ALERT_BRIDGE_PORT')}/api/{path}"
        while not hearing.done():
            answer = await http.post(url, params={"wait": "true"}, json={"content": "hello"}, timeout=10)
            assert answer.is_success, answer.text
            await asyncio.wait({hearing}, timeout=1)
    frame = await hearing
    assert "hello" in orjson.dumps(frame["data"]).decode()
    assert frame["topic"] == Alert.model_validate(frame["data"]).subject


async def test_prometheus_reaches_every_target(stack: Stack):
    """Every service answers at the name and port that the configuration has, and data is seen to flow."""
    flowing = {"query": "sum(baleen_ingest_published_total) > 0"}
    wanted = {(job, "up") for job in ("uw-ingest", "ws-gateway", "alert-bridge", "prometheus", "nats")}
    end = time.monotonic() + ARRIVES_WITHIN  # that of NATS is found by a name that is looked up now and then
    async with stack.prometheus() as http:
        while True:
            targets = (await http.get("/api/v1/targets")).json()["data"]["activeTargets"]
            found = (await http.get("/api/v1/query", params=flowing)).json()["data"]["result"]
            healths = {(target["labels"]["job"], target["health"]) for target in targets}
            if (found and healths == wanted) or time.monotonic() > end:
                break
            await asyncio.sleep(1)
    assert healths == wanted, [(target["scrapeUrl"], target["lastError"]) for target in targets]
    assert found, "nothing is published"


async def test_every_rule_loads_and_can_be_evaluated(stack: Stack):
    """All of the files' rules are there, and none fails on what the services really show."""
    written = [
        rule.get("alert") or rule["record"]
        for file in RULE_FILES
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


def test_every_panel_and_every_rule_has_data(stack: Stack):
    """Each expression has a value, or its panel names the drill that makes it speak.

    The metrics that rules read are there, but for those that only a fault makes; a rule's own expression is
    empty while all is well.
    """
    mute = [one.expr for file in FILES for one in asked(dashboard(file)) if not one.quiet]
    written = [yaml.safe_load(file.read_text())["groups"] for file in RULE_FILES]
    rules = [rule for groups in written for group in groups for rule in group["rules"]]
    mute += [rule["record"] for rule in rules if "record" in rule]
    mute += sorted({name for rule in rules for name in metrics_of(rule["expr"])} - SILENT_WHILE_WELL)
    assert len(mute) > 100
    deadline = time.monotonic() + SPEAK_WITHIN
    while (mute := still_mute(mute, stack)) and time.monotonic() < deadline:
        time.sleep(5)
    assert mute == []
    assert still_mute(["baleen_ingest_frames"], stack) == ["baleen_ingest_frames"]


def test_no_container_runs_as_root_or_writes_to_its_image(stack: Stack):
    """Each has a user without a name or rights, and a file system that is only read."""
    for container in stack.containers():
        name = container["Name"]
        assert container["Config"]["User"].partition(":")[0] not in ("", "0", "root"), name
        assert container["HostConfig"]["ReadonlyRootfs"], name
        assert container["HostConfig"]["Memory"] > 0, name
    for service in OURS:
        assert stack.compose("exec", "-T", service, "id", "-u", within=60).strip() == "10001"


def test_images_say_what_they_are(stack: Stack):
    """By the labels that registries and bills of materials read."""
    seen = set()
    for container in stack.containers():
        labels, image = container["Config"]["Labels"], container["Config"]["Image"]
        if labels["com.docker.compose.service"] not in OURS:
            continue
        assert image == f"baleen/{labels['org.opencontainers.image.title'].removeprefix('baleen ')}:test"
        assert labels["org.opencontainers.image.version"] == "test"
        assert labels["org.opencontainers.image.revision"] == "0123abc"
        assert labels["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"
        assert labels["org.opencontainers.image.base.name"].startswith("python:")
        seen.add(labels["com.docker.compose.service"])
    assert seen == {*OURS}


async def newest_alerts(stack: Stack) -> tuple[str, dict[int, bytes]]:
    """Return the stream's epoch, and its newest alerts by their numbers, as another team reads them."""
    url = f"nats://127.0.0.1:{stack.environ['NATS_PORT']}"
    async with open_bus(url=url, user="team", password="local-team", name="test", connect_within=30) as bus:
        found = await fetch_newest(bus, "ALERT", "alert.v1.>", 1_000)
        return await stream_epoch(bus, "ALERT"), {one.seq: one.body for one in found}


async def test_everything_ends_when_asked_and_finds_its_data_again(stack: Stack):
    """SIGTERM ends every container well and soon; after `down` and `up` no message and no webhook is lost."""
    epoch, before = await newest_alerts(stack)
    hook = stack.compose("logs", "--no-log-prefix", "webhook", within=60).strip().splitlines()[-1]
    assert before
    await asyncio.to_thread(stack.compose, "stop", within=120)
    codes = {one["Name"]: one["State"]["ExitCode"] for one in stack.containers()}
    assert {name: code for name, code in codes.items() if code} == {}
    for service in ("uw-ingest", "ws-gateway", "alert-bridge"):
        said = stack.compose("logs", "--tail", "1", "--no-log-prefix", service, within=60)
        assert "left as asked" in said, said

    await asyncio.to_thread(stack.compose, "down", within=120)
    await asyncio.to_thread(stack.up)
    epoch_after, after = await newest_alerts(stack)
    assert epoch_after == epoch
    assert after.keys() >= {number for number in before if number >= min(after)}
    assert {number: after.get(number) for number in before if number >= min(after)}.items() <= after.items()
    assert stack.compose("logs", "--no-log-prefix", "webhook", within=60).strip().splitlines()[-1] == hook
    async with httpx.AsyncClient(trust_env=False) as http:
        url = stack.url("ALERT_BRIDGE_PORT") + "/api/" + hook.partition("/api/")[2]
        assert (await http.post(url, json={"content": "again"}, timeout=20)).is_success
    await heard(stack, by_name("flow_alert").pattern)
