"""Operators' questions on a port of their own: against real gateways, of one worker and of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from baleen_bus.testing import NatsServer
from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import load_settings
from baleen_runtime.testing import ServiceProcess
from ws_gateway.doors.aside import is_for_operators
from ws_gateway.settings import Settings

OPERATORS = ("/livez", "/readyz", "/metrics", "/v1/clients")
CLIENTS = ("/", "/api/stream/status", "/openapi.json", "/v1/events?topics=uw.v1.nothing.X")


class Ports(NamedTuple):
    """Where clients and operators are answered."""

    clients: int
    operators: int


@pytest.fixture(params=[pytest.param(1, id="one"), pytest.param(2, id="two", marks=pytest.mark.slow)])
def ports(nats_server: NatsServer, request: pytest.FixtureRequest) -> Iterator[Ports]:
    """A gateway of one worker, or of several."""
    variables = {
        "BALEEN_NATS_URL": nats_server.url,
        "WS_GATEWAY_PORT": "0",
        "WS_GATEWAY_ADMIN_PORT": "0",
        "WS_GATEWAY_WORKERS": str(request.param),
    }
    with ServiceProcess("ws_gateway", variables) as running:
        told = [line["port"] for line in running.said() if line["event"] == "operators are answered apart"]
        yield Ports(running.port, told[0])


def status(port: int, path: str) -> int:
    """Return how a question ends, without waiting for the end of what streams."""
    with httpx.stream("GET", f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=20) as answer:
        return answer.status_code


def test_operators_are_answered_on_their_port_and_on_no_other(ports: Ports):
    """A proxy that leads clients to the first port shows nobody what only operators should see."""
    assert {path: status(ports.clients, path) for path in OPERATORS} == dict.fromkeys(OPERATORS, 404)
    assert 404 not in {status(ports.operators, path) for path in OPERATORS}
    assert (
        "baleen_gateway_connections"
        in httpx.get(f"http://127.0.0.1:{ports.operators}/metrics", trust_env=False, timeout=20).text
    )


def test_clients_are_answered_on_their_port_and_on_no_other(ports: Ports):
    """By HTTP and by WebSocket, whatever a client says of the host it asks."""
    assert 404 not in {status(ports.clients, path) for path in CLIENTS}
    assert {path: status(ports.operators, path) for path in CLIENTS} == dict.fromkeys(CLIENTS, 404)
    with connect(f"ws://127.0.0.1:{ports.clients}/v1/stream", proxy=None) as line:
        assert "welcome" in str(line.recv(timeout=20))
    lie = {"Host": f"127.0.0.1:{ports.clients}"}
    with (
        pytest.raises(InvalidStatus),
        connect(f"ws://127.0.0.1:{ports.operators}/v1/stream", proxy=None, additional_headers=lie),
    ):
        pass


def test_a_port_of_clients_is_refused_for_operators():
    """Nobody could tell then who is asked for what."""
    with pytest.raises(SettingsError, match="WS_GATEWAY_ADMIN_PORT"):
        load_settings(Settings, {"WS_GATEWAY_PORT": "8000", "WS_GATEWAY_ADMIN_PORT": "8000"})


@pytest.mark.parametrize("path", ["/metricsx", "/v1/client", "/", "/v1/stream", "/livez2"])
def test_what_only_begins_like_an_operators_path_is_none(path: str):
    """A path is theirs whole, with what lies below."""
    assert not is_for_operators(path)
    assert is_for_operators("/v1/clients/7")
