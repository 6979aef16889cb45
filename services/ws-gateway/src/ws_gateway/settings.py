"""The settings of ws-gateway: variables that start with ``WS_GATEWAY_``."""

from __future__ import annotations

import ipaddress
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for
from ws_gateway.dialects.alpha_terminal import NOT_SIGNALS
from ws_gateway.doors.addresses import network_of
from ws_gateway.doors.keyring import flaw_of_source
from ws_gateway.doors.keys import key_of
from ws_gateway.errors import KeysFlawed
from ws_gateway.wire.inbox import FRAMES_PER_SECOND

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
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="A port for probes, metrics and /v1/clients, which the others then do not answer.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the ports; each has clients of its own."
    )
    auth: Literal["none", "jwt"] = Field(
        default="none", description="Whether clients must hand in a token: `jwt`, or `none`."
    )
    auth_none_anywhere: bool = Field(
        default=False, description="Serve without authentication on addresses other than loopback."
    )
    auth_key: SecretStr | None = Field(
        default=None,
        description="What tokens are checked with: a shared secret of 32 bytes or more (HS256), or a public "
        "key in PEM (RS256, EdDSA).",
    )
    auth_jwks: str | None = Field(
        default=None, description="A JSON Web Key Set: a file, or an https:// address; with or without a key."
    )
    auth_jwks_refresh_seconds: float = Field(
        default=300.0, ge=10, le=86_400, description="How often the key set is read again."
    )
    auth_audience: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("baleen",), min_length=1, description="Audiences, one of which a token must name in `aud`."
    )
    auth_issuer: str | None = Field(default=None, description="Who must have made a token, its `iss`.")
    auth_leeway_seconds: float = Field(
        default=10.0, ge=0, le=300, description="How far the clock of the tokens' maker may go before ours."
    )
    auth_max_lifetime_seconds: float | None = Field(
        default=None, gt=0, description="How long a token may still last; any time if not set."
    )
    auth_warn_seconds: float = Field(
        default=60.0, ge=0, le=3_600, description="How long before its token ends a client is told."
    )
    auth_within_seconds: float = Field(
        default=5.0, gt=0, le=60, description="How soon a client without a token must say `auth`."
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
    max_connections_per_address: int = Field(
        default=500, ge=0, description="Clients at a time of one address, but of this machine's; 0 for any."
    )
    max_connections_per_subject: int = Field(
        default=100, ge=0, description="Clients at a time with tokens of one subject; 0 for any."
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8.",
    )
    handshakes_per_second: float = Field(
        default=500.0, ge=0, description="New clients a second, twice as many at once; 0 for any."
    )
    handshakes_per_second_per_address: float = Field(
        default=50.0, ge=0, description="The same of one address, but of this machine's; 0 for any."
    )
    max_frame_bytes: int = Field(default=65_536, ge=1_024, description="Largest frame a client may send.")
    messages_per_second: float = Field(
        default=FRAMES_PER_SECOND, ge=1, description="Frames one client may send, five times as many at once."
    )
    client_buffer_bytes: int = Field(
        default=1_048_576,
        ge=65_536,
        description="Bytes that may wait for a slow client before it falls behind.",
    )
    slow_clients_bytes: int = Field(
        default=268_435_456,
        ge=65_536,
        description="Bytes that may wait for all slow clients before the worst fall behind.",
    )
    client_lag_seconds: float = Field(
        default=8.0, ge=1, le=600, description="How old a message may become that waits for a slow client."
    )
    client_stuck_seconds: float = Field(
        default=30.0, ge=1, le=600, description="How long a client may take nothing of what waits for it."
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
    deflate: bool = Field(
        default=True, description="Send smaller frames to clients that can read them (permessage-deflate)."
    )
    deflate_min_bytes: int = Field(
        default=200, ge=0, description="The smallest frame that is worth making smaller."
    )
    drain_seconds: float = Field(default=4.0, gt=0, le=60, description="Time to say goodbye to all clients.")

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if "/" in host or ":" in host or "@" in host:
                msg = f"{host} is no name: write it without scheme and port, such as gateway.example"
                raise ValueError(msg)
        return tuple(host.rstrip(".").lower() for host in hosts)

    @field_validator("auth_key")
    @classmethod
    def _is_a_key(cls, text: SecretStr | None) -> SecretStr | None:
        if text is not None:
            try:
                key_of(text.get_secret_value())
            except KeysFlawed as flawed:
                raise ValueError(str(flawed)) from None
        return text

    @field_validator("auth_jwks")
    @classmethod
    def _is_a_safe_source(cls, source: str | None) -> str | None:
        flaw = flaw_of_source(source) if source is not None else None
        if flaw is not None:
            raise ValueError(flaw)
        return source

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            network_of(proxy)
        return proxies

    @model_validator(mode="after")
    def _are_ports_of_their_own(self) -> Settings:
        ports = [port for port in (self.port, *self.also_listen, self.admin_port) if port]
        if len(set(ports)) < len(ports):
            msg = "WS_GATEWAY_ALSO_LISTEN or WS_GATEWAY_ADMIN_PORT names a port that is named already"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_keys_if_it_asks_for_tokens(self) -> Settings:
        keys = self.auth_key is not None or self.auth_jwks is not None
        if self.auth == "jwt" and not keys:
            msg = "WS_GATEWAY_AUTH=jwt needs keys: set WS_GATEWAY_AUTH_KEY or WS_GATEWAY_AUTH_JWKS"
            raise ValueError(msg)
        if self.auth == "none" and keys:
            msg = "there are keys but no tokens asked for: say WS_GATEWAY_AUTH=jwt, or take the keys away"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _is_said_twice(self) -> Settings:
        if self.auth == "none" and not self.auth_none_anywhere and not _is_loopback(self.host):
            msg = (
                f"WS_GATEWAY_HOST={self.host} is reachable from elsewhere, without authentication: listen "
                "on 127.0.0.1, or ask for tokens (WS_GATEWAY_AUTH=jwt and WS_GATEWAY_AUTH_KEY), or say "
                "WS_GATEWAY_AUTH_NONE_ANYWHERE=true where a network you trust guards it"
            )
            raise ValueError(msg)
        return self

    @property
    def anywhere(self) -> bool:
        """Whether the gateway is reached from other machines."""
        return self.auth_none_anywhere or not _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
