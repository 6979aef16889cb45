"""What uw-ingest can be told, one variable each. Without upstream and token it runs and says so."""

import os
import re
import secrets
import socket
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for

UPSTREAM = "https://api.unusualwhales.com"
SIMULATED_SOURCE = "uw-simulator"
MAX_CHANNELS = 45  # upstream stops at 50 a socket

DEFAULT_CHANNELS = (
    "flow-alerts",
    "option_trades",
    "off_lit_trades",
    "lit_trades",
    "price",
    "gex:SPY",
    "gex:TSLA",
    "gex_strike_expiry:SPY",
    "market_tide",
    "net_flow:SPY",
    "interval_flow",
    "news",
    "trading_halts",
    "custom_alerts",
)

Seconds = Annotated[float, Field(gt=0, le=86_400)]

_CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,40}(:[A-Za-z0-9.^/_-]{1,20})?")


def _replica() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:60] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(2)}"


class Settings(ServiceSettings):
    """The settings of uw-ingest; times are in seconds."""

    model_config: ClassVar[SettingsConfigDict] = settings_for("UW_INGEST_")

    host: str = Field("127.0.0.1", description="Address of probes, metrics and status.")
    port: int = Field(8001, ge=0, le=65_535, description="Their port; 0 takes a free one.")
    upstream_url: str | None = Field(
        None, description="http(s)://host:port of upstream or simulator; with a token, upstream's own."
    )
    token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("UW_INGEST_TOKEN", "UW_API_TOKEN", "UW_KEY", "UNUSUAL_WHALES_API_KEY"),
        description="Upstream's token. Never printed.",
    )
    slots: int = Field(3, ge=1, le=10, description="Sockets the plan allows, of all replicas together.")
    channels: tuple[str, ...] = Field(DEFAULT_CHANNELS, description="Upstream channels to join.")
    source: str = Field(
        "uw-ingest", pattern=r"^[a-z0-9-]{1,40}$", description="ce-source; uw-simulator marks simulated data."
    )
    calendar: Literal["exchange", "always_open"] = Field(
        "exchange", description="How silence is judged; always_open suits a simulated market."
    )
    nats_user: str | None = Field(None, description="User on the bus.")
    nats_password: SecretStr | None = Field(None, description="Its password. Never printed.")

    replica: str = Field(
        default_factory=_replica,
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="This replica's name; by default host and process.",
    )
    linger: float = Field(120.0, ge=0, le=86_400, description="For joining a channel after its last wish.")
    hand_over_within: Seconds = Field(
        3.0, description="For another replica to take over our channels when leaving, if there is one."
    )

    movers_every: Seconds = Field(15.0, description="Between two polls of the market movers.")
    congress_every: Seconds = Field(30.0, description="Between two polls of the congress disclosures.")
    rest_per_minute: int = Field(120, ge=1, le=100_000, description="REST calls the plan allows a minute.")
    entitlement_recheck: Seconds = Field(900.0, description="Between two tries of what the plan refuses.")

    buffer_frames: int = Field(65_536, ge=1, description="Frames that may wait to be read.")
    buffer_mib: int = Field(64, ge=1, le=8_192, description="The same in MiB.")
    outbox_messages: int = Field(65_536, ge=1, description="Messages that may wait for the bus.")
    outbox_mib: int = Field(96, ge=1, le=8_192, description="The same in MiB.")
    drain_within: Seconds = Field(3.0, description="For emptying the outbox when leaving.")

    @field_validator("upstream_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or "@" in parts.netloc:
            raise ValueError("write it as http://host:port or https://host, without user, token or query")
        return url.rstrip("/")

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, channels: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        channels = tuple(dict.fromkeys(channels))
        wrong = [channel for channel in channels if not _CHANNEL.fullmatch(channel)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no channel; write names such as flow-alerts or gex:SPY")
        slots = others.data.get("slots", 1)
        if len(channels) > MAX_CHANNELS * slots:
            raise ValueError(
                f"{len(channels)} channels are too many for {slots} sockets of {MAX_CHANNELS}:"
                " join a global channel instead of many tickers"
            )
        return channels

    @property
    def upstream(self) -> str | None:
        """Where upstream is, or ``None`` while there is no token to go there with."""
        return (self.upstream_url or UPSTREAM) if self.token else None

    @property
    def simulated(self) -> bool:
        """Whether what is published is made up, and must say so everywhere."""
        return self.source == SIMULATED_SOURCE
