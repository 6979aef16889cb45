"""What the simulator can be told from outside. Variables start with `UW_SIMULATOR_`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for


class Settings(ServiceSettings):
    """The simulator's settings; each is an option of the command line as well."""

    model_config: ClassVar[SettingsConfigDict] = settings_for("UW_SIMULATOR_")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8010, ge=0, le=65535, description="Port of socket and REST; 0 takes a free one.")
    token: SecretStr = Field(SecretStr("simulated-token"), description="The token with every scope.")
    basic_token: SecretStr = Field(
        SecretStr("simulated-token-basic"),
        description="A token without websocket scope and without the Advanced tier.",
    )

    source: Literal["mix", "samples", "synthetic", "recorded", "none"] = Field(
        "mix", description="mix = the synthetic market plus the captured frames that do not contradict it."
    )
    seed: int = Field(1, description="Decides everything the synthetic market does.")
    rate: float = Field(80.0, ge=0, le=50_000, description="Option trades a second.")
    flow_alert_rate: float = Field(2.5, ge=0, le=1_000, description="Flow alerts a second.")
    lit_rate: float = Field(8.0, ge=0, le=10_000, description="lit_trades a second; a third of them is SPY.")
    off_lit_rate: float = Field(8.0, ge=0, le=10_000, description="off_lit_trades a second; a third is SPY.")
    price_every: float = Field(0.4, gt=0, description="Seconds between two prices of a ticker.")
    gex_every: float = Field(
        0.4, gt=0, description="Seconds between two gex records of a ticker; upstream: 10."
    )
    gex_strike_every: float = Field(5.0, gt=0, description="Seconds between two bursts of gex by strike.")
    congress_every: float = Field(5.0, gt=0, description="Seconds between two new congress disclosures.")
    speed: float = Field(1.0, gt=0, le=1_000, description="How many seconds of the market pass in one.")
    whole_day: bool = Field(False, description="Let the option tape follow a day's shape from open to close.")
    sample_every: float = Field(
        1.0, gt=0, description="Seconds between two frames of one captured file; twice that in the mix."
    )
    recording: Path | None = Field(
        None, description="JSON lines of {at, frame}, perhaps .gz, or a folder of them, for source recorded."
    )
    once: bool = Field(False, description="Play the recording once instead of again and again.")
    verbatim: bool = Field(
        False, description="Send captured and recorded frames as they were: old times, old ids."
    )
    journal: Path | None = Field(
        None,
        description="File in which every record of a feed where each counts is noted, with its identity.",
    )
    journal_mib: int = Field(1_024, ge=1, description="MiB after which nothing more is noted.")
    hours: Literal["open", "real"] = Field(
        "open", description="real = the exchange's calendar, nights are silent."
    )

    max_sockets: int = Field(3, ge=1, description="Sockets a token may hold at once.")
    mute_second: bool = Field(
        False, description="Sockets after a token's first are accepted but hear nothing."
    )
    max_joins: int = Field(50, ge=1, description="Channels a socket may join.")
    join_limit_frame: str = Field(
        '{"error":"Channel subscription limit of 50 reached"}',
        description="The answer to a join too many; the 50 becomes the plan's figure.",
    )
    over_code: int | None = Field(
        1000, description="Code that a socket too many is closed with at once; None cuts it without a word."
    )
    per_minute: int = Field(120, ge=1, description="REST requests a minute.")
    in_flight: int = Field(3, ge=1, description="REST requests at once.")
    per_day: int = Field(40_000, ge=1, description="REST answers with status 200 a day.")
    rest_latency: float = Field(0.03, ge=0, description="Seconds that a REST answer takes.")
    blocked_agents: tuple[str, ...] = Field(
        (
            "Python-urllib",
            "python-requests",
            "python-httpx",
            "Python/",
            "Go-http-client",
            "Java/",
            "libwww-perl",
        ),
        description="User-Agents that start like this get 403 `error code: 1010`.",
    )
    backlog_bytes: int = Field(
        4_194_304, ge=65_536, description="Unread bytes after which frames are dropped."
    )

    demo_publishers: bool = Field(
        False, description="Publish signals, insights, narratives and sessions on NATS."
    )
    nats_user: str | None = Field(None, description="NATS user of the demo publishers.")
    nats_password: SecretStr | None = Field(None, description="Password of that user.")
