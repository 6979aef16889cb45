"""What an operator may set, all of it under ``ALERT_BRIDGE_``."""

from __future__ import annotations

import os
import re
import secrets
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for


def _replica() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:60] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(2)}"


class Settings(ServiceSettings):
    """Where the bridge listens, whom it hears, and how it reaches the bus."""

    model_config: ClassVar[SettingsConfigDict] = settings_for("ALERT_BRIDGE_")

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8002, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    nats_user: str | None = Field(default=None, description="The bridge's user on the bus.")
    nats_password: SecretStr | None = Field(default=None, description="That user's password.")
    sources: Path | None = Field(
        default=None,
        description="The file of sources; `alert-bridge source add NAME` makes and fills it. "
        "Without it no webhook exists.",
    )
    auth_none_anywhere: bool = Field(
        default=False,
        description="Let anybody who reaches /alerts use it although the address is not loopback, "
        "and by any name on loopback.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="An operator's bearer token, which opens history, the account and dead letters where the "
        "address is not loopback.",
    )
    rules: Path | None = Field(
        default=None,
        description="The file of rules: who is told of which alerts. Without it they are only stored.",
    )
    retry_within: float = Field(
        default=900.0,
        gt=0,
        le=86_400,
        description="Seconds between two tries of a destination that is away, at the most.",
    )
    replica: str = Field(
        default_factory=_replica,
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="This replica's name; by default host and process.",
    )
    store_within: float = Field(
        default=2.5,
        gt=0,
        le=60,
        description="Seconds a sender waits for the bus before it is told to come back.",
    )
    max_waiting: int = Field(
        default=1000,
        ge=1,
        description="Alerts that may wait for the bus at a time, three quarters of them from one source; "
        "more are sent away.",
    )
    spool: Path | None = Field(
        default=None,
        description="A file that keeps alerts while the bus is away, for this process alone. "
        "Without it senders are told to come back.",
    )
    spool_max_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=64 * 1024,
        description="The bytes of alerts that the spool may hold; its file may become twice as large.",
    )
    max_body_bytes: int = Field(
        default=256 * 1024,
        ge=1024,
        le=512 * 1024,
        description="The largest alert taken, in bytes; below what the bus takes in one message.",
    )
    max_upload_bytes: int = Field(
        default=11 * 1024 * 1024,
        ge=1024,
        description="The largest multipart request taken, in bytes. Files are named in the alert, not kept.",
    )

    body_within: float = Field(
        default=20.0, gt=0, le=600, description="Seconds in which a request's body must have ended."
    )
    tradingview_from: str = Field(
        default="",
        description="Addresses, with commas between them, from which alone /in/tradingview is heard; "
        "empty for any. Behind a proxy it is the proxy's address that counts.",
    )

    @property
    def alerts_open(self) -> bool:
        """Whether `/alerts` needs no token: on loopback, or because it was said twice."""
        return self.auth_none_anywhere or self.trusts_loopback

    @property
    def trusts_loopback(self) -> bool:
        """Whether being on this machine is the only credential, so that requests must be meant for it."""
        return not self.auth_none_anywhere and _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
