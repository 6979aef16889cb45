"""What the control endpoint can be told. Pure: the words of each order and their bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uw_simulator.faults import Garbage


class Order(BaseModel):
    """What an order may say. Unknown words are refused, so that a misspelt fault does not pass as none."""

    model_config = ConfigDict(extra="forbid")


class Targeted(Order):
    """An order about one connection, or about all."""

    connection: int | None = None


class Drop(Targeted):
    """Hang up: without a word (1006 at the client), or with a close code."""

    code: int | None = None


class Switch(Targeted):
    """Turn something on or off."""

    on: bool = True


class Refuse(Order):
    """Refuse the next handshakes, and every one for so many seconds."""

    count: int = Field(1, ge=0)
    seconds: float = Field(0.0, ge=0, le=3_600)
    status: int = Field(503, ge=400, le=599)
    body: str = ""


class Count(Order):
    """How often."""

    count: int = Field(1, ge=0)


class Lose(Order):
    """Lose the next joins, of any channel or of one.

    Without a word; or, for one channel, after the ack.
    """

    count: int = Field(1, ge=0)
    channel: str | None = None
    acked: bool = False


class Hush(Order):
    """Let a channel fall silent while others go on, under one name or, without a ticker, under all."""

    channel: str
    on: bool = True


class BlockAgents(Order):
    """What User-Agents begin with that get 403; None puts the setting's back."""

    agents: tuple[str, ...] | None = None


class Lag(Order):
    """Lose a share of the data frames, and send everything late by so many seconds."""

    drop_share: float = Field(0.0, ge=0, le=1)
    delay: float = Field(0.0, ge=0, le=60)


class Bad(Targeted):
    """Send a bad frame."""

    kind: Garbage
    count: int = Field(1, ge=1, le=100_000)
    size: int = Field(20_000_000, ge=1, le=200_000_000)


class Exhaust(Order):
    """Use up the quota of REST requests."""

    scope: Literal["day", "minute"] = "day"


class Rest(Order):
    """Answer the next REST requests with this instead; make all of them slow."""

    count: int = Field(1, ge=0)
    seconds: float = Field(0.0, ge=0, le=3_600)
    status: int = Field(502, ge=200, le=599)
    body: str = "Something went wrong"
    content_type: str = "text/plain"
    delay: float = Field(0.0, ge=0, le=120)
    path: str = ""
    charged: bool = False
    limit: Literal["", "in_flight", "minute", "day"] = ""


class Spend(Order):
    """Let another program on the same key make requests."""

    requests: int = Field(ge=1)


class Say(Order):
    """Send a record through the rooms, or a literal frame to a connection."""

    channel: str | None = None
    ticker: str | None = None
    payload: dict[str, Any] | None = None
    text: str | None = None
    connection: int | None = None


class AskedBurst(Order):
    """Send exactly so many frames."""

    channel: str = "option_trades"
    count: int = Field(1_000, ge=1, le=50_000_000)
    rate: float = Field(50_000.0, gt=0)
    ticker: str = "SPY"
    wait: bool = True
    lossless: bool = True
    prepared: bool = False


class Play(Order):
    """Play a recording, files in their order."""

    files: tuple[Path, ...] = Field(min_length=1)
    speed: float = Field(1.0, gt=0, le=1_000)
    once: bool = True
    verbatim: bool = False
    wait: bool = True
    """Begin when somebody has joined a channel."""


class Limits(Order):
    """Change figures of the plan: those that are given. Only `over_code` may be none."""

    sockets: int | None = Field(None, ge=0)
    mute_second: bool | None = None
    over_code: int | None = None
    joins: int | None = Field(None, ge=0)
    leave_ignored: bool | None = None
    websocket: bool | None = None
    in_flight: int | None = Field(None, ge=0)
    per_minute: int | None = Field(None, ge=0)
    per_day: int | None = Field(None, ge=0)
    others_in_flight: int | None = Field(None, ge=0)
    others_per_minute: float | None = Field(None, ge=0)
