"""Which processes make up Baleen on one machine, in which order, and what each of them is told. Pure.

Each child gets the settings that carry its own prefix and its own secrets, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from baleen.ports import LOOPBACK, Ports
from baleen_bus.permissions import PASSWORD_VARIABLES

WEBHOOK_SECRET = "local-webhook"  # noqa: S105 - the name under which the secret is kept
SECRET_NAMES = (*PASSWORD_VARIABLES, WEBHOOK_SECRET)

TOKEN_VARIABLES = ("UW_INGEST_TOKEN", "UW_API_TOKEN", "UW_KEY", "UNUSUAL_WHALES_API_KEY")
SIMULATED_TOKEN = "simulated-token"  # noqa: S105 - the simulator's public one
LIVE_URL = "https://api.unusualwhales.com"

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "uw-ingest": "UW_INGEST_",
        "ws-gateway": "WS_GATEWAY_",
        "alert-bridge": "ALERT_BRIDGE_",
        "uw-simulator": "UW_SIMULATOR_",
    }
)
_SHARED = ("BALEEN_LOG_LEVEL", "BALEEN_LOG_FORMAT")
_OURS = (*PREFIXES.values(), "BALEEN_", "BOOTSTRAP_", "TEAM_", "UW_", "UNUSUAL_WHALES_")


@dataclass(frozen=True, slots=True)
class Child:
    """One process.

    Attributes:
        name: how its lines are marked.
        argv: the program beside this Python, and its arguments.
        environ: its whole environment.
        ready_url: answers 200 once it may be sent work.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    ready_url: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start: the server first, then the streams are made, then everything else at once."""

    ports: Ports
    simulated: bool
    server: Child
    services: tuple[Child, ...]
    secrets: Mapping[str, str]

    @property
    def nats_url(self) -> str:
        """Where the bus listens."""
        return f"nats://{LOOPBACK}:{self.ports.nats}"

    @property
    def children(self) -> tuple[Child, ...]:
        """Every process, the first to start first."""
        return (self.server, *self.services)


def is_simulated(settings: Mapping[str, str]) -> bool:
    """Tell whether nobody gave a token or an upstream, so that a simulator has to stand in."""
    return not any(settings.get(name, "").strip() for name in (*TOKEN_VARIABLES, "UW_INGEST_UPSTREAM_URL"))


def make_plan(
    settings: Mapping[str, str],
    *,
    ports: Ports,
    secrets: Mapping[str, str],
    folder: str,
    nats_config: str,
    also_listen: tuple[int, ...] = (),
) -> Plan:
    """Decide what runs.

    Args:
        settings: the variables of `.env` and of the environment, the latter winning.
        ports: where everything listens.
        secrets: one per name in `SECRET_NAMES`.
        folder: where the bus keeps its streams.
        nats_config: path of the server's configuration.
        also_listen: further ports of the gateway.
    """
    simulated = is_simulated(settings)
    services = [_gateway(settings, ports, secrets, also_listen), _bridge(settings, ports, secrets)]
    if simulated:
        services.insert(0, _simulator(settings, ports, secrets))
    services.append(_ingest(settings, ports, secrets, simulated=simulated))
    return Plan(
        ports, simulated, _server(settings, ports, secrets, folder, nats_config), tuple(services), secrets
    )


def _neutral(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what every child may see: paths, locale, proxies; nothing that carries a prefix of ours."""
    return {name: value for name, value in settings.items() if not name.startswith(_OURS)}


def _told(settings: Mapping[str, str], name: str, ports: Ports, port: int, password: str) -> dict[str, str]:
    """Return what the service *name* is told: the person's settings, then what only this run can know."""
    prefix = PREFIXES[name]
    own = {key: value for key, value in settings.items() if key.startswith(prefix) or key in _SHARED}
    return {
        **_neutral(settings),
        **own,
        "PYTHONUNBUFFERED": "1",
        "BALEEN_NATS_URL": f"nats://{LOOPBACK}:{ports.nats}",
        f"{prefix}PORT": str(port),
        f"{prefix}NATS_USER": name,
        f"{prefix}NATS_PASSWORD": password,
    }


def _ready(port: int) -> str:
    return f"http://{LOOPBACK}:{port}/readyz"


def _server(
    settings: Mapping[str, str], ports: Ports, secrets: Mapping[str, str], folder: str, config: str
) -> Child:
    told = {variable: secrets[user] for user, variable in PASSWORD_VARIABLES.items()}
    told |= {
        "BALEEN_NATS_LISTEN": f"{LOOPBACK}:{ports.nats}",
        "BALEEN_NATS_MONITOR": f"{LOOPBACK}:{ports.monitor}",
        "BALEEN_NATS_STORE": folder,
    }
    ready = f"http://{LOOPBACK}:{ports.monitor}/healthz?js-enabled-only=true"
    return Child("nats-server", ("nats-server", "-c", config), {**_neutral(settings), **told}, ready)


def _simulator(settings: Mapping[str, str], ports: Ports, secrets: Mapping[str, str]) -> Child:
    told = _told(settings, "uw-simulator", ports, ports.simulator, secrets["uw-simulator"])
    told.setdefault("UW_SIMULATOR_DEMO_PUBLISHERS", "true")
    return Child("uw-simulator", ("uw-simulator",), told, _ready(ports.simulator))


def _ingest(
    settings: Mapping[str, str], ports: Ports, secrets: Mapping[str, str], *, simulated: bool
) -> Child:
    told = _told(settings, "uw-ingest", ports, ports.ingest, secrets["uw-ingest"])
    if simulated:
        told["UW_INGEST_UPSTREAM_URL"] = f"http://{LOOPBACK}:{ports.simulator}"
        told["UW_INGEST_TOKEN"] = settings.get("UW_SIMULATOR_TOKEN", SIMULATED_TOKEN)
        told["UW_INGEST_SOURCE"] = "uw-simulator"
    else:
        told |= {name: settings[name] for name in TOKEN_VARIABLES if settings.get(name, "").strip()}
        told.setdefault("UW_INGEST_UPSTREAM_URL", LIVE_URL)
    return Child("uw-ingest", ("uw-ingest",), told, _ready(ports.ingest))


def _gateway(
    settings: Mapping[str, str], ports: Ports, secrets: Mapping[str, str], also_listen: tuple[int, ...]
) -> Child:
    told = _told(settings, "ws-gateway", ports, ports.gateway, secrets["ws-gateway"])
    if also_listen:
        told.setdefault("WS_GATEWAY_ALSO_LISTEN", ",".join(str(port) for port in also_listen))
    return Child("ws-gateway", ("ws-gateway",), told, _ready(ports.gateway))


def _bridge(settings: Mapping[str, str], ports: Ports, secrets: Mapping[str, str]) -> Child:
    told = _told(settings, "alert-bridge", ports, ports.bridge, secrets["alert-bridge"])
    told.setdefault("ALERT_BRIDGE_SOURCES", f"local:{secrets[WEBHOOK_SECRET]}")
    return Child("alert-bridge", ("alert-bridge",), told, _ready(ports.bridge))
