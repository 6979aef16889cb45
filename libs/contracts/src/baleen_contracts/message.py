"""What every message has in common: a subject, an identity, two times and a bare JSON body. Pure."""

import json
from abc import abstractmethod
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from baleen_contracts.fields import Id, Utc
from baleen_contracts.tokens import token

_as_json = json.JSONEncoder().encode  # of one text, which is quicker than a list of them


class Contract(BaseModel):
    """A frozen body whose readers ignore what they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    entity: ClassVar[str]
    type: ClassVar[str]

    def to_json(self) -> bytes:
        """The body as it travels: bare JSON, absent fields left out, times as ISO-8601 with ``Z``."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class Message(Contract):
    """A contract message: validated, immutable, with one subject and one identity.

    ``occurred_at`` is when it happened (at the exchange, in the engine), ``received_at`` when Baleen heard
    of it.
    """

    occurred_at: Utc
    received_at: Utc

    @property
    @abstractmethod
    def subject(self) -> str:
        """The public subject; a message has exactly one."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Equal for two tellings of the same fact; never depends on ``received_at``."""

    @property
    def message_id(self) -> str:
        """``ce-id`` and ``Nats-Msg-Id``: unique in the stream, since streams dedupe across their subjects."""
        return f"{self.entity}:{self.identity}"


def _when_it_occurred(told: dict[str, Any]) -> datetime:
    occurred_at: datetime = told["occurred_at"]
    return occurred_at


class Publishable(Protocol):
    """What a publisher asks of a message, whichever way its body was validated."""

    entity: ClassVar[str]
    type: ClassVar[str]

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""

    @property
    def received_at(self) -> datetime:
        """When Baleen heard of it."""

    @property
    def subject(self) -> str:
        """The public subject."""

    @property
    def message_id(self) -> str:
        """Unique in the stream."""

    def to_json(self) -> bytes:
        """The body as it travels."""


class PublishedMessage(Message):
    """A message that any publisher may make.

    ``received_at`` defaults to ``occurred_at``, the id to a digest of the body.
    """

    id: Id | None = None
    received_at: Utc = Field(default_factory=_when_it_occurred)

    @property
    def identity(self) -> str:
        """The publisher's id, else a digest of everything but ``received_at``."""
        if self.id is not None:
            return self.id
        body = self.__pydantic_serializer__.to_json(self, exclude={"received_at"}, exclude_none=True)
        return blake2b(body, digest_size=16).hexdigest()


def natural_key(*parts: str | float | datetime | None) -> str:
    """Joins the parts of a natural key.

    Texts as tokens, times as epoch milliseconds, numbers in their one spelling.
    """
    return "|".join(_part(part) for part in parts)


def digest(*parts: str | None) -> str:
    """A short digest of free texts that would be too long for an id. The parts cannot run into each other."""
    listed = ", ".join([_as_json(part) for part in parts])
    return blake2b(f"[{listed}]".encode(), digest_size=16).hexdigest()


def millis(time: datetime) -> int:
    """Epoch milliseconds, the resolution of the upstream."""
    return round(time.timestamp() * 1_000)


def micros(time: datetime) -> int:
    """Epoch microseconds, the resolution of our own times."""
    return round(time.timestamp() * 1_000_000)


def _part(part: str | float | datetime | None) -> str:
    if isinstance(part, datetime):
        return str(millis(part))
    if isinstance(part, (int, float)):
        return repr(part)
    return token(part) if part != "" else ""
