"""What a rules file may say of a destination, by its kind. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from alert_bridge.destinations.apprise_message import check_service
from alert_bridge.destinations.discord_address import address_of
from alert_bridge.destinations.webhook_message import check_url, key_of
from baleen_contracts.alert import Severity

DAY = 86_400.0


class _Served(BaseModel):
    """How a destination is served, whatever its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    give_up_after: Annotated[float, Field(gt=0, le=6 * DAY)] = DAY
    """Seconds; an alert of this age is given up and becomes a dead letter."""
    at_most_once: bool = False
    """What may have been taken already is not sent again; it becomes a dead letter."""


class DiscordSpec(_Served):
    """A Discord webhook."""

    type: Literal["discord"]
    url: SecretStr
    mentions: Literal["none", "users", "as_sent"] = "none"
    """Whom a message may ping."""
    mark_ids: bool = True
    """Put each alert's id into the footer of its embed, so that people can tell a repeat."""
    silent_below: Severity | None = None
    """Less severe alerts make no sound."""
    channel_messages: Annotated[int, Field(ge=1, le=1_000)] = 28
    """Messages that its channel takes in ``channel_seconds``, of which no header tells; Discord's is 30."""
    channel_seconds: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    allow_private: bool = False
    """Let a URL of another host than Discord and this machine lead into a private network."""

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        address_of(self.url.get_secret_value(), allow_private=self.allow_private)
        return self


class WebhookSpec(_Served):
    """A URL that takes signed JSON, after Standard Webhooks."""

    type: Literal["webhook"]
    url: SecretStr
    secret: SecretStr
    """``whsec_`` and 16 to 64 random bytes in base64."""
    allow_private: bool = False
    """Let the URL lead to a private, loopback or link-local address, and be plain ``http://``."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        check_url(self.url.get_secret_value(), allow_private=self.allow_private)
        key_of(self.secret.get_secret_value())
        return self


class AppriseSpec(_Served):
    """Any service that Apprise knows, by its URL."""

    type: Literal["apprise"]
    url: SecretStr
    allow_private: bool = False
    """Let the URL name a host in a private network, or this machine."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        check_service(self.url.get_secret_value())
        return self


Spec = Annotated[DiscordSpec | WebhookSpec | AppriseSpec, Field(discriminator="type")]
