"""How a destination is written in the names of consumers, leases and keys. Pure."""

from __future__ import annotations

from typing import Final

from baleen_bus import key_token
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name
from baleen_contracts.dead_letter import DeadLetter, Redelivery

ALERTS: Final = "ALERT"
"""The stream of alerts."""
LETTERS: Final = "DEAD"
"""The stream of dead letters, and of those that are sent again."""
PATTERN: Final = by_name(Alert.entity).pattern
ACCOUNTS: Final = "account.*"


def place_of(destination: str) -> str:
    """A destination as one token of a key; the name's case does not matter."""
    return key_token(destination.lower())


def consumer_of(destination: str) -> str:
    """Its durable consumer of `ALERT`."""
    return f"deliver-{place_of(destination)}"


def replay_consumer_of(destination: str) -> str:
    """Its durable consumer of dead letters that are sent again."""
    return f"redeliver-{place_of(destination)}"


def lease_of(destination: str) -> str:
    """The key of the right to send to it."""
    return f"deliver.{place_of(destination)}"


def account_of(destination: str) -> str:
    """The key of its account."""
    return f"account.{place_of(destination)}"


def resume_of(destination: str) -> str:
    """The key by which a stopped destination is told to try again."""
    return f"resume.{place_of(destination)}"


def record_of(seq: int, destination: str, replays: int = 0) -> str:
    """The key of what became of an alert there."""
    key = f"{seq}.{place_of(destination)}"
    return f"{key}.{replays}" if replays else key


def letters_to(destination: str) -> str:
    """The subject of its dead letters."""
    return _with_destination(DeadLetter, destination)


def replays_to(destination: str) -> str:
    """The subject of the letters that are sent to it again."""
    return _with_destination(Redelivery, destination)


def _with_destination(model: type[DeadLetter], destination: str) -> str:
    return by_name(model.entity).pattern.replace("*", key_token(destination.lower()).replace("=", "%"))
