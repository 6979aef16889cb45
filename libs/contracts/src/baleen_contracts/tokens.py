"""Subject tokens: any text as one reversible token of a subject. Pure.

A subject's separator is the dot and its wildcards are ``*`` and ``>``, while tickers read ``BRK.B``,
``BF/B`` or ``^SPX``. Letters, digits, ``-`` and ``_`` stay; every other byte of the UTF-8 text becomes
``%XX``. The lone underscore stands for "no key", so a text that is itself ``_`` is written ``%5F``.
"""

from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

NOTHING: Final = "_"
"""The token of a message that has no key, such as an alert without a symbol."""

_KEPT: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_REMEMBERED: Final = (
    1 << 16
)  # more than all optionable symbols and their strikes in play, still a few megabytes


@lru_cache(maxsize=_REMEMBERED)
def token(text: str | None) -> str:
    """Writes a text as one subject token; None is ``_``.

    Raises:
        ValueError: the text is empty (a subject holds no empty token) or is no Unicode text (a lone
            surrogate).
    """
    if text is None:
        return NOTHING
    if not text:
        raise ValueError("a subject token cannot be empty")
    if text == NOTHING:
        return "%5F"
    if _KEPT.issuperset(text):
        return text
    # quote() leaves "." and "~" alone whatever it is told.
    return quote(text, safe="").replace(".", "%2E").replace("~", "%7E")


def untoken(written: str) -> str | None:
    """Reads a token back; ``_`` is None.

    Raises:
        ValueError: no text is written that way.
    """
    if written == NOTHING:
        return None
    text = unquote(written, errors="strict")
    if not text or token(text) != written:
        raise ValueError(f"{written!r} is no subject token")
    return text


@lru_cache(maxsize=_REMEMBERED)
def symbol_token(symbol: str | None) -> str:
    """The token of a ticker: upper case, so that one instrument has one subject."""
    return token(symbol.upper() if symbol is not None else None)


@lru_cache(maxsize=_REMEMBERED)
def name_token(name: str | None) -> str:
    """The token of an agent, an alert type, a feed: lower case, so that one name has one subject."""
    return token(name.lower() if name is not None else None)


@lru_cache(maxsize=_REMEMBERED)
def strike_token(strike: float) -> str:
    """The token of a strike in its one spelling: no exponent, no trailing zero (``590``, ``592%2E5``)."""
    return token(f"{strike:.4f}".rstrip("0").rstrip("."))
