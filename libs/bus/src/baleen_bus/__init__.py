"""How it travels: connection, streams, publish, and follow without gaps."""

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import (
    AccessRefused,
    ApiRefused,
    BusClosed,
    BusError,
    BusStopped,
    DropReason,
    OutboxFull,
    PublishRefused,
    ServerTooOld,
    Unreachable,
)
from baleen_bus.publisher import Publisher, PublisherStats

__all__ = [
    "AccessRefused",
    "ApiRefused",
    "Bus",
    "BusClosed",
    "BusError",
    "BusStopped",
    "DropReason",
    "OutboxFull",
    "PublishRefused",
    "Publisher",
    "PublisherStats",
    "ServerTooOld",
    "Stored",
    "Unreachable",
    "open_bus",
]
