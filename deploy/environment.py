"""Writes what the settings classes say of the environment, or tells whether the files still say so.

`python -m deploy.environment write` and `... check`; the second ends with 1 when a file differs. The files:

- `.env.example`: every variable of every service and of docker-compose.yml, with its meaning and default.
- `deploy/env/SERVICE.env`: the names that compose hands from `.env` to that service's container. Each gets
  those of its own prefix, so no container sees another's secrets.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic.fields import FieldInfo

from alert_bridge.settings import Settings as BridgeSettings
from baleen_runtime.settings import ServiceSettings, variables_of
from baleen_runtime.usage import default_text
from discord_simulator.settings import Settings as DiscordSettings
from uw_ingest.settings import Settings as IngestSettings
from uw_simulator.settings import Settings as SimulatorSettings
from ws_gateway.settings import Settings as GatewaySettings

ROOT: Final = Path(__file__).resolve().parents[1]
_COMMAND: Final = "python -m deploy.environment write"
_WIDTH: Final = 110

SERVICES: Final[Mapping[str, type[ServiceSettings]]] = {
    "uw-ingest": IngestSettings,
    "ws-gateway": GatewaySettings,
    "alert-bridge": BridgeSettings,
    "uw-simulator": SimulatorSettings,
    "discord-simulator": DiscordSettings,
}
"""Everything that has settings."""

IN_COMPOSE: Final[Mapping[str, str]] = {
    "uw-ingest": "uw-ingest",
    "ws-gateway": "ws-gateway",
    "alert-bridge": "alert-bridge",
    "uw-simulator": "simulator",
}
"""What compose calls those of them that it runs."""

_HEAD: Final = f"""\
# Made by `{_COMMAND}`; change the settings classes instead.
#
# Copy this to .env; git ignores that file. `make up` and `docker compose up` both read it. Nothing has to be
# changed for simulated data. For real data the token is enough: UW_API_TOKEN=your-token.
#
# Each line shows a variable with its default; a secret's is not shown. Take the # away from what you change.
# Text with spaces or signs stands in 'single quotes'; several values are separated by commas.
"""

_OF_COMPOSE: Final[Mapping[str, str]] = {
    "NATS_PORT": "The port of the bus on this machine.",
    "NATS_MONITOR_PORT": "The port of its monitoring.",
    "PROMETHEUS_PORT": "The port of Prometheus.",
    "GRAFANA_PORT": "The port of Grafana.",
    "ENGINE_NATS_PASSWORD": "Of the bus's user `engine`, for backtests and forward tests.",
    "PUBLISHER_NATS_PASSWORD": "Of the user `publisher`, for programs that say alerts.",
    "BOOTSTRAP_NATS_PASSWORD": "Of the user `bootstrap`, who makes streams.",
    "TEAM_NATS_PASSWORD": "Of the user `team`, who may read.",
    "BALEEN_STREAM_MAX_BYTES": "Bytes that each stream keeps at most; all of them are reserved.",
    "GRAFANA_ADMIN_PASSWORD": "Of Grafana's user `admin`; everybody on this machine may look without it.",
    "PROMETHEUS_RETENTION": "How long Prometheus keeps figures.",
    "IMAGE_PREFIX": "What stands before our images' names, such as a registry.",
    "IMAGE_TAG": "The version of our images.",
    "IMAGE_REVISION": "The commit that images are built from, for their labels.",
    "IMAGE_CREATED": "When that commit was made (RFC 3339), for their labels.",
    "PYTHON_IMAGE": "What our images are built on.",
    "NATS_IMAGE": "The image of the bus.",
    "PROMETHEUS_IMAGE": "The image of Prometheus.",
    "NATS_EXPORTER_IMAGE": "The image of what shows Prometheus the bus.",
    "GRAFANA_IMAGE": "The image of Grafana.",
    "BUILD_NETWORK": "The network that builds have; `host` where only this machine reaches packages.",
}
"""What docker-compose.yml reads beside the services' variables."""

_PASSWORDS: Final = """\
Passwords are those of the bus under `docker compose up`, `local-…` if not set; begin each with a letter. The
ports are published on 127.0.0.1 only: choose passwords before that changes. `make up` makes random ones and
keeps them in .baleen/."""

_NOT_SEEN: Final = "Not for compose, whose containers do not see this machine's files."
_INTERPOLATED: Final = re.compile(r"\$\{([A-Z0-9_]+)(?::-([^}]*))?")


def texts() -> dict[str, str]:
    """Every file, by its path from the root of the repository."""
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return {
        ".env.example": example(SERVICES, compose),
        **{f"deploy/env/{service}.env": _names(service) for service in IN_COMPOSE},
    }


def example(services: Mapping[str, type[ServiceSettings]], compose: str) -> str:
    """Return the example of an environment for *services* under this text of docker-compose.yml.

    Raises:
        KeyError: compose reads a variable of which nothing is said here.
    """
    told = _of_compose(compose)
    shared = set(ServiceSettings.model_fields)
    parts = [_HEAD, _section("All services", _fields(ServiceSettings, shared, told))]
    for name, cls in services.items():
        parts.append(_section(name, _fields(cls, set(cls.model_fields) - shared, told)))
    ours = {name for cls in services.values() for names in variables_of(cls).values() for name in names}
    read = {name: default for name, default in _INTERPOLATED.findall(compose) if name not in ours}
    order = [*_OF_COMPOSE]
    others = [
        _entry(_OF_COMPOSE[name], name, "" if "PASSWORD" in name else read[name])
        for name in sorted(read, key=lambda name: order.index(name) if name in order else -1)
    ]
    return "\n".join([*parts, _section("docker-compose.yml", [_wrapped(_PASSWORDS), *others])])


def _section(title: str, entries: Sequence[str]) -> str:
    return "\n".join([f"# --- {title} ".ljust(_WIDTH, "-"), "", *entries])


def _fields(cls: type[ServiceSettings], wanted: set[str], told: Mapping[str, str]) -> list[str]:
    variables = variables_of(cls)
    return [
        _entry(_help(field, variables[name], told), variables[name][0], default_text(field))
        for name, field in cls.model_fields.items()
        if name in wanted
    ]


def _help(field: FieldInfo, variables: Sequence[str], told: Mapping[str, str]) -> str:
    words = [field.description or ""]
    if variables[1:]:
        words.append(f"Also read from {', '.join(variables[1:])}.")
    words.append(told.get(variables[0], _NOT_SEEN if _is_path(field) else ""))
    return " ".join(word for word in words if word)


def _of_compose(compose: str) -> dict[str, str]:
    """Return what there is to say of variables that compose does not simply hand on."""
    services = yaml.safe_load(compose)["services"]
    told = {}
    for service in IN_COMPOSE.values():
        for name, value in services.get(service, {}).get("environment", {}).items():
            told[name] = f"Under compose always {value or 'none'}." if "${" not in value else ""
    for name, _ in _INTERPOLATED.findall(compose):
        if name.endswith("_PORT"):
            told[name] = "Under compose the port on this machine that leads to it."
        elif name in told:
            told[name] = ""
    return told


def _is_path(field: FieldInfo) -> bool:
    return "Path" in str(field.annotation)


def _entry(words: str, name: str, default: str) -> str:
    return f"{_wrapped(words)}#{name}={default}\n"


def _wrapped(words: str) -> str:
    lines = textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    return "\n".join([*lines, ""])


def _names(service: str) -> str:
    """Return the file that hands a service what stands in .env for it; a path is of no use in a container."""
    cls = SERVICES[service]
    names = [
        variable
        for name, variables in variables_of(cls).items()
        if not _is_path(cls.model_fields[name])
        for variable in variables
    ]
    head = f"# Made by `{_COMMAND}`. What compose hands {service} of .env, where it is set there."
    return "\n".join([head, *names, ""])


def differing(folder: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths under *folder* that are not as *wanted*."""
    for path, text in wanted.items():
        file = folder / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            yield path


def main(words: Sequence[str], folder: Path = ROOT) -> int:
    """Do what the one word says; the exit code."""
    wanted = texts()
    stale = list(differing(folder, wanted))
    match words:
        case ["write"]:
            for path in stale:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(wanted[path], encoding="utf-8")
                sys.stdout.write(f"wrote {path}\n")
        case ["check"]:
            for path in stale:
                sys.stderr.write(f"{path} is not what the settings say\n")
            if stale:
                sys.stderr.write(f"cure: {_COMMAND}, and commit the result\n")
                return 1
        case _:
            sys.stderr.write("python -m deploy.environment write|check\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
