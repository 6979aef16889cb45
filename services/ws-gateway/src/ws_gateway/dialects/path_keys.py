"""What clients write into a path, a ticker or a name, and the topics it stands for. Pure."""

from __future__ import annotations

from typing import Final

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import symbol_token

MAX_KEY_LENGTH: Final = 64
"""The longest ticker or agent name that a message can carry."""


def checked(name: str) -> str:
    """Return *name*.

    Raises:
        ValueError: no message can carry it.
    """
    if not 0 < len(name) <= MAX_KEY_LENGTH:
        raise ValueError(f"a name has 1 to {MAX_KEY_LENGTH} characters")
    if not name.isprintable():
        raise ValueError("a name has no control characters")
    return name


def ticker_of(text: str) -> str:
    """Return the ticker that *text* means, however it is spelt.

    Raises:
        ValueError: it can be no ticker.
    """
    return checked(text.strip().upper())


def topic_of(entity: str, key: str, token: str) -> str:
    """Return the topic of *entity* whose part *key*, such as `{symbol}`, is *token*, the others anything."""
    parts = by_name(entity).subject.split(".")
    return ".".join(token if part == key else "*" if part.startswith("{") else part for part in parts)


def topic_of_ticker(entity: str, ticker: str) -> str:
    """Return the topic of all that *entity* says of *ticker*."""
    return topic_of(entity, "{symbol}", symbol_token(ticker))
