"""What the simulator can be told from outside. Variables start with `DISCORD_SIMULATOR_`."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, settings_for


class Settings(ServiceSettings):
    """The simulator's settings; each is an option of the command line as well."""

    model_config: ClassVar[SettingsConfigDict] = settings_for("DISCORD_SIMULATOR_")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8020, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    webhooks: tuple[str, ...] = Field(
        ("alerts@alerts", "critical@alerts", "desk@desk"),
        description="The webhooks there are, as name@channel, separated by commas. Ids and tokens follow "
        "from the names.",
    )

    webhook_limit: int = Field(5, ge=1, description="Messages of one webhook within its window.")
    webhook_window: float = Field(2.0, gt=0, description="Seconds of that window.")
    channel_limit: int = Field(
        30, ge=1, description="Messages of all webhooks of a channel within its window."
    )
    channel_window: float = Field(60.0, gt=0, description="Seconds of that window.")
    global_limit: int = Field(50, ge=1, description="Requests of one address within a second.")
    limits_scale: float = Field(
        1.0, gt=0, le=1, description="Every window is so many times as long: 0.1 makes 5 per 0.2 s."
    )
    ban_after: int = Field(
        10_000,
        ge=1,
        description="Answers of 401, 403 and 429 in ten minutes after which an address is banned.",
    )

    latency: float = Field(0.0, ge=0, le=60, description="Seconds that every answer takes.")
    keep: int = Field(20_000, ge=1, description="Messages kept to be read; more are counted.")
    max_body_bytes: int = Field(25 * 2**20, ge=1024, description="The largest request taken, in bytes.")
    mark: str = Field(
        r"mark:([\w.:-]+)",
        description="A regular expression whose group is what a message says of itself, so that a repeat is "
        "seen: in the content and in the texts of embeds.",
    )

    @field_validator("mark")
    @classmethod
    def _has_one_group(cls, mark: str) -> str:
        try:
            groups = re.compile(mark).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if groups != 1:
            raise ValueError("it needs exactly one group in parentheses")
        return mark

    @field_validator("webhooks")
    @classmethod
    def _names_a_channel(cls, webhooks: tuple[str, ...]) -> tuple[str, ...]:
        names = [entry.partition("@")[0] for entry in webhooks]
        if not all(re.fullmatch(r"[\w-]{1,80}@[\w-]{1,80}", entry) for entry in webhooks):
            raise ValueError("each is name@channel, in letters, digits, - and _")
        if len(set(names)) < len(names):
            raise ValueError("two webhooks have one name")
        return webhooks
