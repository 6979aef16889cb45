"""What the catalogue says of each entity. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from baleen_contracts.message import Contract


class Delivery(StrEnum):
    """What a reader may rely on.

    ``every``: no message is lost in silence; ``latest``: only the newest per subject matters, older ones
    may be skipped; ``request``: asked and answered, never stored.
    """

    EVERY = "every"
    LATEST = "latest"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of message. ``stream`` is None for what no stream stores."""

    name: str
    model: type[Contract]
    subject: str
    pattern: str
    stream: str | None
    delivery: Delivery
    producer: str
    consumers: tuple[str, ...]
    summary: str
