"""Which webhooks there are, and into which channel each speaks. Pure."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

_EPOCH_2026 = 1_450_000_000_000_000_000
"""The least id given away; nineteen digits, as those of today are."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook; its id, token and channel follow from names, so that a URL can be known beforehand."""

    name: str
    channel: str
    id: str
    token: str
    channel_id: str

    @property
    def path(self) -> str:
        """The path of its URL, with the version of the API that clients should use."""
        return f"/api/v10/webhooks/{self.id}/{self.token}"

    def shown(self) -> dict[str, Any]:
        """It as Discord tells it to whoever holds the token: without a user."""
        return {
            "id": self.id,
            "type": 1,
            "name": self.name,
            "avatar": None,
            "channel_id": self.channel_id,
            "guild_id": _id("guild", "the only one"),
            "application_id": None,
            "token": self.token,
            "url": f"https://discord.com/api/webhooks/{self.id}/{self.token}",
        }


def webhook_named(name: str, channel: str) -> Webhook:
    """The webhook *name* of *channel*; the same for the same names, always."""
    token = urlsafe_b64encode(blake2b(name.encode(), digest_size=51, person=b"token").digest()).decode()
    return Webhook(name, channel, _id("webhook", name), token, _id("channel", channel))


class Webhooks:
    """Those that exist, by id."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._by_id: dict[str, Webhook] = {}
        for entry in entries:
            name, _, channel = entry.partition("@")
            self.add(name, channel)

    def __iter__(self) -> Iterator[Webhook]:
        return iter(self._by_id.values())

    def add(self, name: str, channel: str) -> Webhook:
        """Make a webhook, or move the one of that name to *channel*."""
        made = webhook_named(name, channel)
        self._by_id[made.id] = made
        return made

    def find(self, webhook_id: str, token: str) -> Webhook | None:
        """The webhook of this id if *token* is its token."""
        found = self._by_id.get(webhook_id)
        return found if found and hmac.compare_digest(found.token.encode(), token.encode()) else None

    def known(self, webhook_id: str) -> bool:
        """Whether a webhook has this id, whatever its token is."""
        return webhook_id in self._by_id

    def named(self, name: str) -> Webhook | None:
        """The webhook of this name."""
        return next((webhook for webhook in self._by_id.values() if webhook.name == name), None)


def _id(kind: str, name: str) -> str:
    digest = blake2b(name.encode(), digest_size=7, person=kind.encode()).digest()
    return str(_EPOCH_2026 + int.from_bytes(digest))
