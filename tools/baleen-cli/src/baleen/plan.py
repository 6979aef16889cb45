"""Which processes make up Baleen on one machine, in which order, and what each of them is told. Pure.

Each child gets the settings that carry its own prefix and its own secrets, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from baleen_bus.permissions import PASSWORD_VARIABLES

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLES = ("UW_INGEST_TOKEN", "UW_API_TOKEN", "UW_KEY", "UNUSUAL_WHALES_API_KEY")
SIMULATED_TOKEN = "simulated-token"  # noqa: S105 - the simulator's public one
SIMULATED_SOURCE = "uw-simulator"

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "uw-ingest": "UW_INGEST_",
        "ws-gateway": "WS_GATEWAY_",
        "alert-bridge": "ALERT_BRIDGE_",
        "uw-simulator": "UW_SIMULATOR_",
        "discord-simulator": "DISCORD_SIMULATOR_",
    }
)
_SIMULATED_PACE = {"UW_INGEST_CONGRESS_EVERY": "5", "UW_INGEST_MOVERS_EVERY": "5"}
"""Faster than a plan's budget would like: a simulator costs nothing, and a moving page shows it works."""
_SHARED = ("BALEEN_LOG_LEVEL", "BALEEN_LOG_FORMAT")
_OURS = (*PREFIXES.values(), "BALEEN_", "BOOTSTRAP_", "TEAM_", "UW_", "UNUSUAL_WHALES_")


@dataclass(frozen=True, slots=True)
class Ports:
    """One TCP port per listener, all on the loopback address."""

    nats: int = 4222
    monitor: int = 8222
    gateway: int = 8000
    ingest: int = 8001
    bridge: int = 8002
    simulator: int = 8010
    discord: int = 8020


@dataclass(frozen=True, slots=True)
class Child:
    """One process.

    Attributes:
        name: how its lines are marked.
        argv: the program beside this Python, and its arguments.
        environ: its whole environment.
        ready_url: answers 200 once it may be sent work.
        required: whether the run is useless until then. With live data ingest is not: what upstream refuses
            (a plan without sockets, a wrong token) is told, and alerts and the rest go on.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    ready_url: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps what.

    Attributes:
        store: the folder of the bus's streams.
        nats_config: the server's configuration.
        sources: the file of those who may post alerts.
        webhook: the URL of the one called `local`; a credential.
        rules: the rules by which the simulated Discord is told everything.
    """

    store: str
    nats_config: str
    sources: str
    webhook: str
    rules: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start: the server first, then the streams are made, then everything else at once.

    Attributes:
        ports: where everything listens.
        place: where everything is kept.
        simulated: whether the data is made up.
        discord: whether alerts go to the simulated Discord.
        server: the bus.
        services: what speaks over it.
        passwords: per user of the bus.
    """

    ports: Ports
    place: Place
    simulated: bool
    discord: bool
    server: Child
    services: tuple[Child, ...]
    passwords: Mapping[str, str]

    @property
    def nats_url(self) -> str:
        """Where the bus listens."""
        return f"nats://{LOOPBACK}:{self.ports.nats}"

    @property
    def children(self) -> tuple[Child, ...]:
        """Every process, the first to start first."""
        return (self.server, *self.services)


def needs_simulator(settings: Mapping[str, str]) -> bool:
    """Tell whether nobody gave a token or an upstream, so that our simulator has to stand in."""
    return not any(settings.get(name, "").strip() for name in (*TOKEN_VARIABLES, "UW_INGEST_UPSTREAM_URL"))


def needs_discord(settings: Mapping[str, str]) -> bool:
    """Tell whether nobody said who is told of alerts, so that a simulated Discord is."""
    return not settings.get("ALERT_BRIDGE_RULES", "").strip()


def not_started(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields of `Ports` on which nothing of ours will listen."""
    needed = {"simulator": needs_simulator(settings), "discord": needs_discord(settings)}
    return tuple(field for field, wanted in needed.items() if not wanted)


def make_plan(
    settings: Mapping[str, str],
    *,
    ports: Ports,
    place: Place,
    passwords: Mapping[str, str],
    also_listen: tuple[int, ...] = (),
) -> Plan:
    """Decide what runs.

    Args:
        settings: the variables of `.env` and of the environment, the latter winning.
        ports: where everything listens.
        place: where everything is kept.
        passwords: one per user of the bus.
        also_listen: further ports of the gateway.
    """
    run = _Run(settings, ports, place, passwords)
    simulator, discord = needs_simulator(settings), needs_discord(settings)
    services = [run.gateway(also_listen), run.bridge(discord=discord), run.ingest(simulator=simulator)]
    pretended = [run.simulator()] * simulator + [run.discord()] * discord
    return Plan(
        ports=ports,
        place=place,
        simulated=simulator or settings.get("UW_INGEST_SOURCE") == SIMULATED_SOURCE,
        discord=discord,
        server=run.server(),
        services=(*pretended, *services),
        passwords=passwords,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What every child is told from."""

    settings: Mapping[str, str]
    ports: Ports
    place: Place
    passwords: Mapping[str, str]

    def server(self) -> Child:
        told = {variable: self.passwords[user] for user, variable in PASSWORD_VARIABLES.items()}
        told |= {
            "BALEEN_NATS_LISTEN": f"{LOOPBACK}:{self.ports.nats}",
            "BALEEN_NATS_MONITOR": f"{LOOPBACK}:{self.ports.monitor}",
            "BALEEN_NATS_STORE": self.place.store,
        }
        ready = f"http://{LOOPBACK}:{self.ports.monitor}/healthz?js-enabled-only=true"
        return Child(
            "nats-server", ("nats-server", "-c", self.place.nats_config), {**self._neutral(), **told}, ready
        )

    def simulator(self) -> Child:
        told = self._told("uw-simulator", self.ports.simulator)
        told.setdefault("UW_SIMULATOR_DEMO_PUBLISHERS", "true")
        return _service("uw-simulator", told, self.ports.simulator)

    def discord(self) -> Child:
        return _service(
            "discord-simulator", self._alone("discord-simulator", self.ports.discord), self.ports.discord
        )

    def ingest(self, *, simulator: bool) -> Child:
        told = self._told("uw-ingest", self.ports.ingest)
        if simulator:
            told["UW_INGEST_UPSTREAM_URL"] = f"http://{LOOPBACK}:{self.ports.simulator}"
            told["UW_INGEST_TOKEN"] = self.settings.get("UW_SIMULATOR_TOKEN", SIMULATED_TOKEN)
            told["UW_INGEST_SOURCE"] = SIMULATED_SOURCE
            for name, value in _SIMULATED_PACE.items():
                told.setdefault(name, value)
            if self.settings.get("UW_SIMULATOR_HOURS") != "real":
                told.setdefault("UW_INGEST_CALENDAR", "always_open")
        else:
            told |= {name: self.settings[name] for name in TOKEN_VARIABLES if self.settings.get(name)}
        return replace(_service("uw-ingest", told, self.ports.ingest), required=simulator)

    def gateway(self, also_listen: tuple[int, ...]) -> Child:
        told = self._told("ws-gateway", self.ports.gateway)
        told.pop("WS_GATEWAY_ADMIN_PORT", None)  # everything here asks the one port
        told.setdefault("WS_GATEWAY_DRAIN_SECONDS", "2")  # so that Ctrl-C is over within five seconds
        if also_listen:
            told.setdefault("WS_GATEWAY_ALSO_LISTEN", ",".join(str(port) for port in also_listen))
        return _service("ws-gateway", told, self.ports.gateway)

    def bridge(self, *, discord: bool) -> Child:
        told = self._told("alert-bridge", self.ports.bridge)
        told["ALERT_BRIDGE_SOURCES"] = self.place.sources
        if discord:
            told["ALERT_BRIDGE_RULES"] = self.place.rules
        return _service("alert-bridge", told, self.ports.bridge)

    def _neutral(self) -> dict[str, str]:
        """Return what every child may see: paths, locale, proxies; nothing that carries a prefix of ours."""
        return {name: value for name, value in self.settings.items() if not name.startswith(_OURS)}

    def _told(self, name: str, port: int) -> dict[str, str]:
        """Return what a service of the bus is told."""
        prefix = PREFIXES[name]
        return {
            **self._alone(name, port),
            "BALEEN_NATS_URL": f"nats://{LOOPBACK}:{self.ports.nats}",
            f"{prefix}NATS_USER": name,
            f"{prefix}NATS_PASSWORD": self.passwords[name],
        }

    def _alone(self, name: str, port: int) -> dict[str, str]:
        """Return what any service is told: the person's settings, then what only this run can know."""
        prefix = PREFIXES[name]
        own = {key: value for key, value in self.settings.items() if key.startswith(prefix) or key in _SHARED}
        return {**self._neutral(), **own, "PYTHONUNBUFFERED": "1", f"{prefix}PORT": str(port)}


def _service(name: str, told: Mapping[str, str], port: int) -> Child:
    return Child(name, (name,), told, f"http://{LOOPBACK}:{port}/readyz")
