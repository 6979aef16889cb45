"""Takes known secrets out of text before it is shown to anyone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4  # a shorter "secret" would blank out ordinary words


class Redactor:
    """Replaces every known secret, also in its URL-encoded spellings, by ``***``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Add *secrets* to what is hidden from now on; values under four characters are ignored."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                self._spellings |= {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}
        if self._spellings:
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """Return *text* without any secret."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """Return *value* with every text inside it, at any depth, without any secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))
