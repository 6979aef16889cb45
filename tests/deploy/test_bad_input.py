"""What a pod says that was told something wrong: in its readiness answer, and in its log's last line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from baleen_bus.testing import NatsServer
from baleen_runtime.lifecycle import EXIT_CRASH, EXIT_SETTINGS
from baleen_runtime.testing import STARTS_WITHIN, ServiceProcess

SAYS_WITHIN = 20.0
PREFIXES = {"uw_ingest": "UW_INGEST_", "ws_gateway": "WS_GATEWAY_", "alert_bridge": "ALERT_BRIDGE_"}
NOBODY = "nats://127.0.0.1:9"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def bus() -> Iterator[NatsServer]:
    """A server with Baleen's users, and without a stream: nobody ran the bootstrap."""
    with NatsServer(with_users=True) as server:
        yield server


def service(module: str, url: str, **variables: str) -> ServiceProcess:
    """Return a service that is told where the bus is, and more by names without its prefix."""
    prefix = PREFIXES[module]
    own = {f"{prefix}{name.upper()}": value for name, value in ({"port": "0"} | variables).items()}
    return ServiceProcess(module, {"BALEEN_NATS_URL": url, **own})


def parts(running: ServiceProcess, until: Callable[[Mapping[str, str]], bool]) -> Mapping[str, str]:
    """Return what it says of its parts as soon as it says what is awaited, or at last."""
    deadline = time.monotonic() + SAYS_WITHIN
    while True:
        answer = httpx.get(f"{running.http}/readyz", trust_env=False, timeout=10)
        told: dict[str, str] = answer.json()["parts"]
        if until(told) or time.monotonic() > deadline:
            assert answer.status_code == 503
            return told
        time.sleep(0.1)


def last_line(ended: ServiceProcess) -> str:
    """Return its log's last line."""
    return ended.log_text().strip().splitlines()[-1]


@pytest.mark.parametrize("module", PREFIXES)
def test_a_bus_that_cannot_be_reached_is_named_and_waited_for(module: str):
    """It lives, is not ready, says why in both places, and leaves as soon as it is asked."""
    with service(module, NOBODY) as running:
        told = parts(running, lambda parts: "refused" in parts["bus"])
        warned = [line for line in running.said() if line["level"] == "warning" and "NATS" in line["event"]]
        assert "NATS (BALEEN_NATS_URL) cannot be reached" in told["bus"]
        assert warned[-1] == running.said()[-1]
        assert "BALEEN_NATS_URL" in warned[-1]["event"]
        assert len(warned) == 1, "attempts are many, lines are few"
        assert httpx.get(f"{running.http}/livez", trust_env=False, timeout=10).is_success
        assert running.leave() == 0


@pytest.mark.parametrize("module", PREFIXES)
@pytest.mark.parametrize(
    ("given", "why"), [({}, "without a password"), ({"nats_password": "w"}, "violation")]
)
def test_a_password_that_is_missing_or_wrong_ends_it_with_the_reason(
    bus: NatsServer, module: str, given: dict[str, str], why: str
):
    """No retry makes it right; the user is named, the password is not."""
    user = module.replace("_", "-")
    ended = service(module, bus.url, nats_user=user, **given)
    ended.start()
    assert ended.gone(STARTS_WITHIN) == EXIT_CRASH
    said = last_line(ended)
    ended.close()
    assert f"refused user '{user}'" in said
    assert why in said


@pytest.mark.parametrize(
    ("module", "variables", "named"),
    [
        ("ws_gateway", {"port": "eighty"}, "WS_GATEWAY_PORT is wrong"),
        ("ws_gateway", {"prot": "80"}, "WS_GATEWAY_PROT is not a setting"),
        ("ws_gateway", {"auth": "jwt", "auth_key": ""}, "set WS_GATEWAY_AUTH_KEY"),
        ("ws_gateway", {"host": "0.0.0.0"}, "WS_GATEWAY_AUTH_NONE_ANYWHERE"),  # noqa: S104 - what is refused
        ("uw_ingest", {"upstream_url": "upstream"}, "UW_INGEST_UPSTREAM_URL is wrong"),
        ("uw_ingest", {"port": "tcp://10.0.0.1:8001"}, "UW_INGEST_PORT is wrong"),
        ("alert_bridge", {"admin_token": "short"}, "ALERT_BRIDGE_ADMIN_TOKEN is wrong"),
    ],
)
def test_a_wrong_value_of_an_overlay_ends_it_with_the_variable(
    module: str, variables: dict[str, str], named: str
):
    """Before it listens; the last line says which, and the code that it is of no use to start it again."""
    ended = service(module, NOBODY, **variables)
    ended.start()
    assert ended.gone(STARTS_WITHIN) == EXIT_SETTINGS
    said = last_line(ended)
    ended.close()
    assert named in said


@pytest.mark.parametrize("name", ["rules", "sources"])
def test_a_file_that_is_not_mounted_ends_the_bridge_with_its_name(name: str):
    """Started without it would mean that alerts reach nobody, in silence."""
    ended = service("alert_bridge", NOBODY, **{name: "/etc/baleen/nothing"})
    ended.start()
    assert ended.gone(STARTS_WITHIN) == EXIT_CRASH
    said = last_line(ended)
    ended.close()
    assert "/etc/baleen/nothing" in said


def test_a_bus_without_streams_is_told_by_whoever_reads_them(bus: NatsServer):
    """Until the bootstrap has run, the gateway is not ready and names the stream."""
    own: dict[str, Any] = bus.credentials("ws-gateway")
    with service("ws_gateway", bus.url, nats_user=own["user"], nats_password=own["password"]) as running:
        told = parts(running, lambda parts: "not found" in parts["streams"])
        assert "stream not found" in told["streams"]
