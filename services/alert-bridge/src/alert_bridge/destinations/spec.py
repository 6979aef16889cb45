"""What a rules file may say of a destination, by its kind. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

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


class WebhookSpec(_Served):
    """A URL that takes signed JSON, after Standard Webhooks."""

    type: Literal["webhook"]
    url: SecretStr
    secret: SecretStr
    allow_private: bool = False
    """Let the URL lead to a private, loopback or link-local address."""


class AppriseSpec(_Served):
    """Any service that Apprise knows, by its URL."""

    type: Literal["apprise"]
    url: SecretStr


Spec = Annotated[DiscordSpec | WebhookSpec | AppriseSpec, Field(discriminator="type")]
