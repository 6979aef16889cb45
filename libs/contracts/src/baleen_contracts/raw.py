"""Upstream channels that have no contract of their own yet, carried as they come. Pure."""

import json
from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import AnyJson, Label
from baleen_contracts.message import Message, digest
from baleen_contracts.tokens import name_token, symbol_token


class Raw(Message):
    """A payload in the upstream's own words, which may change without notice."""

    entity: ClassVar[str] = "raw"
    type: ClassVar[str] = "uw.v1.raw"

    channel: Label
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    payload: AnyJson

    @property
    def subject(self) -> str:
        """One subject per channel and key, such as the ticker joined."""
        return f"uw.v1.raw.{name_token(self.channel)}.{symbol_token(self.key)}"

    @property
    def identity(self) -> str:
        """A digest of the payload, whatever the order of its keys."""
        written = json.dumps(self.payload, sort_keys=True, separators=(",", ":"))
        return digest(self.channel, self.key, written)
