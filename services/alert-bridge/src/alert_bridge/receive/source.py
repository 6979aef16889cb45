"""Who may post: a sender, its tokens, what its alerts are unless they say so, and how it is found. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alert_bridge.errors import UnknownWebhook
from baleen_runtime.clock import Clock

Fields = Literal["alert_type", "severity", "symbol", "title", "content", "url", "id", "occurred_at"]
MAPPED: tuple[str, ...] = get_args(Fields)
"""The fields of an alert that a source may say where to find."""

_TOKEN = r"^[A-Za-z0-9_-]{60,100}$"  # noqa: S105 - the form of one


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OldToken(_Part):
    """A token from before a rotation; good until ``until``, or for good where that is absent."""

    token: Annotated[str, Field(pattern=_TOKEN, repr=False)]
    until: AwareDatetime | None = None


class Limit(_Part):
    """At most so many requests within so many seconds, all at once if they like."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    seconds: Annotated[float, Field(gt=0, le=86_400)]


class Source(_Part):
    """One sender.

    Attributes:
        name: what its alerts carry as ``source``.
        id: the webhook's id, 17 to 19 digits as Discord's.
        token: the secret of its URLs, also its bearer token and its password.
        old_tokens: what else it may show, for a while.
        alert_type: the type of alerts that say none; without it the name of the dialect.
        severity: the severity of alerts that say none.
        symbol: the symbol of alerts that say none.
        fields: where its own JSON has a field of an alert: names with dots between them, such as
            ``labels.ticker``.
        limit: how much it may send; without it as much as it likes.
        signing_secret: what it signs with; then nothing unsigned is taken from it.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    id: Annotated[str, Field(pattern=r"^\d{17,19}$")]
    token: Annotated[str, Field(pattern=_TOKEN, repr=False)]
    old_tokens: tuple[OldToken, ...] = ()
    alert_type: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    severity: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    symbol: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    fields: Mapping[Fields, Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=dict)
    limit: Limit | None = None
    signing_secret: Annotated[str | None, Field(min_length=16, max_length=200, repr=False)] = None

    @property
    def secrets(self) -> list[str]:
        """Everything about it that nobody else may see."""
        also = [self.signing_secret] if self.signing_secret else []
        return [self.token, *(old.token for old in self.old_tokens), *also]

    def webhook_url(self, base_url: str) -> str:
        """The URL to put where a Discord webhook URL stood. It holds the token: print it, never log it."""
        return self.url(base_url, "discord")

    def url(self, base_url: str, dialect: str) -> str:
        """Where it posts in *dialect*; as much a credential as the webhook's URL."""
        end = f"/{dialect}" if dialect in {"slack", "github"} else ""
        place = "api/webhooks" if end or dialect == "discord" else f"in/{dialect}"
        return f"{base_url.rstrip('/')}/{place}/{self.id}/{self.token}{end}"


class Sources:
    """The known sources, found in the same time whatever is shown.

    A token is looked up by its digest, which nobody can aim, and then compared in constant time.
    """

    def __init__(self, sources: Iterable[Source], clock: Clock) -> None:
        self._clock = clock
        self._by_digest: dict[bytes, tuple[str, datetime | None, Source]] = {}
        self.replace(sources)

    def replace(self, sources: Iterable[Source]) -> None:
        """Know these from now on, and no others."""
        known: dict[bytes, tuple[str, datetime | None, Source]] = {}
        for source in sources:
            for old in source.old_tokens:
                known[_digest(old.token)] = (old.token, old.until, source)
            known[_digest(source.token)] = (source.token, None, source)
        self._by_digest = known

    @property
    def names(self) -> set[str]:
        """What the known sources are called."""
        return {source.name for _, _, source in self._by_digest.values()}

    @property
    def tokens(self) -> list[str]:
        """Every secret, for whoever keeps them out of logs."""
        return [secret for _, _, source in self._by_digest.values() for secret in source.secrets]

    def by_webhook(self, webhook_id: str, token: str) -> Source:
        """The source of a webhook.

        Raises:
            UnknownWebhook: the id or the token is wrong; nobody learns which.
        """
        source = self.by_token(token)
        if source is None or not hmac.compare_digest(source.id.encode(), _bytes(webhook_id)):
            raise UnknownWebhook("no webhook has this id and token")
        return source

    def by_token(self, token: str) -> Source | None:
        """The source whose token this is, new or old but not expired."""
        shown = _bytes(token)
        mine, until, source = self._by_digest.get(_digest(token), ("", None, None))
        if source is None or not hmac.compare_digest(mine.encode(), shown):
            return None
        return source if until is None or self._clock.now() < until else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _digest(token: str) -> bytes:
    return blake2b(_bytes(token), digest_size=16).digest()
