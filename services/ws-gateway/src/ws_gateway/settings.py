"""The settings of ws-gateway: variables that start with ``WS_GATEWAY_``."""

from __future__ import annotations

import ipaddress
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for
from ws_gateway.dialects.alpha_terminal import NOT_SIGNALS

_LOCAL_PORTS = (3000, 5173, 8000, 8501)


def _local_origins() -> tuple[str, ...]:
    return tuple(f"http://{host}:{port}" for port in _LOCAL_PORTS for host in ("localhost", "127.0.0.1"))


class Settings(ServiceSettings):
    """What the operator decides about the gateway."""

    model_config: ClassVar[SettingsConfigDict] = settings_for("WS_GATEWAY_")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    also_listen: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(), description="More ports, for clients with fixed ones, such as 5000,8765."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the ports; each has clients of its own."
    )
    auth_none_anywhere: bool = Field(
        default=False, description="Serve without authentication on addresses other than loopback."
    )
    nats_user: str | None = Field(default=None, description="User of the bus.")
    nats_password: SecretStr | None = Field(default=None, description="Password of the bus.")
    origins: tuple[str, ...] = Field(
        default_factory=_local_origins,
        description="Web origins whose pages may connect, beside the gateway's own; * for any.",
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description="Names under which the gateway is reached, beside localhost; * answers to any.",
    )
    max_connections: int = Field(
        default=12_000, ge=1, description="Clients at a time; more are told to wait."
    )
    max_frame_bytes: int = Field(default=65_536, ge=1_024, description="Largest frame a client may send.")
    client_buffer_bytes: int = Field(
        default=1_048_576, ge=65_536, description="Bytes that may wait for a slow client before it is closed."
    )
    not_signals: tuple[str, ...] = Field(
        default=tuple(sorted(NOT_SIGNALS)),
        description="Alert types that the Alpha Terminal channel `signals` leaves out.",
    )
    tail_mib: int = Field(
        default=64,
        ge=1,
        le=16_384,
        description="MiB of each stream's newest messages that are kept for clients who come back.",
    )
    newest_kept: int = Field(default=200, ge=50, description="Messages remembered per kind, for snapshots.")
    drain_seconds: float = Field(default=4.0, gt=0, le=60, description="Time to say goodbye to all clients.")

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if "/" in host or ":" in host or "@" in host:
                msg = f"{host} is no name: write it without scheme and port, such as gateway.example"
                raise ValueError(msg)
        return tuple(host.rstrip(".").lower() for host in hosts)

    @model_validator(mode="after")
    def _are_ports_of_their_own(self) -> Settings:
        ports = (self.port, *self.also_listen)
        if len(set(ports)) < len(ports):
            msg = "WS_GATEWAY_ALSO_LISTEN names a port twice, or the one of WS_GATEWAY_PORT"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _is_said_twice(self) -> Settings:
        if not self.auth_none_anywhere and not _is_loopback(self.host):
            msg = (
                f"WS_GATEWAY_HOST={self.host} is reachable from elsewhere, without authentication: listen "
                "on 127.0.0.1, or say WS_GATEWAY_AUTH_NONE_ANYWHERE=true where a network you trust guards it"
            )
            raise ValueError(msg)
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
