"""What stands under a key of a bucket, and how keys are written. Pure."""

from dataclasses import dataclass

from baleen_contracts.tokens import token, untoken


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under a key. ``deleted``: a delete mark, whose value is what the deleter left."""

    key: str
    value: bytes
    revision: int
    deleted: bool


def key_token(text: str) -> str:
    """Writes a text as one token of a key; as a subject's token, but a key may hold no ``%``.

    Raises:
        ValueError: the text is empty or no Unicode text.
    """
    return token(text).replace("%", "=")


def key_untoken(written: str) -> str:
    """Reads a token of a key back.

    Raises:
        ValueError: no text is written that way.
    """
    text = untoken(written.replace("=", "%")) if "%" not in written else None
    if text is None:
        raise ValueError(f"{written!r} is no key token")
    return text
