"""Who may post: a file of named sources, each with the id and token of its webhook.

The token is the only credential, so the file is readable by its owner alone, and a token is compared in
constant time.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alert_bridge.errors import SourcesUnreadable, UnknownWebhook

_ALPHABET = string.ascii_letters + string.digits + "-_"
_TOKEN_LENGTH = 68  # what Discord's own tokens have; some clients check


class Source(BaseModel):
    """One sender.

    Attributes:
        name: what its alerts carry as ``source``.
        id: the webhook's id, 17 to 19 digits as Discord's.
        token: the webhook's secret, also the bearer token for ``/alerts``.
        alert_type: the type of alerts that come through its webhook.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80)]
    id: Annotated[str, Field(pattern=r"^\d{17,19}$")]
    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{60,100}$", repr=False)]
    alert_type: Annotated[str, Field(min_length=1, max_length=64)] = "discord"

    def webhook_url(self, base_url: str) -> str:
        """The URL to put where a Discord webhook URL stood. It holds the token: print it, never log it."""
        return f"{base_url.rstrip('/')}/api/webhooks/{self.id}/{self.token}"


_SOURCES = TypeAdapter(list[Source])


class Sources:
    """The known sources."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._by_id = {source.id: source for source in sources}
        self._nobody = Source(name="nobody", id="0" * 17, token=_fresh_token())

    @property
    def tokens(self) -> list[str]:
        """Every secret, for whoever keeps them out of logs."""
        return [source.token for source in self._by_id.values()]

    def by_webhook(self, webhook_id: str, token: str) -> Source:
        """The source of a webhook.

        Raises:
            UnknownWebhook: the id or the token is wrong; both take the same time.
        """
        source = self._by_id.get(webhook_id, self._nobody)
        if not _same(source.token, token) or source is self._nobody:
            raise UnknownWebhook("no webhook has this id and token")
        return source

    def by_token(self, token: str) -> Source | None:
        """The source whose token this is."""
        found = None
        for source in self._by_id.values():
            if _same(source.token, token):
                found = source
        return found


def load_sources(path: Path | None) -> Sources:
    """Read the file of sources; without one there are none.

    Raises:
        SourcesUnreadable: it is missing or not such a file.
    """
    if path is None:
        return Sources()
    try:
        return Sources(_read(path))
    except FileNotFoundError:
        raise SourcesUnreadable(
            f"ALERT_BRIDGE_SOURCES names {path}, which does not exist: make it with `alert-bridge source add`"
        ) from None


def add_source(path: Path, name: str) -> Source:
    """Return the source called *name* in the file at *path*, made with fresh credentials if it is new.

    Raises:
        SourcesUnreadable: the file is there and is not a file of sources.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two callers at once must not lose each other's source
        known = _read(path) if path.exists() else []
        for source in known:
            if source.name == name:
                return source
        made = Source(name=name, id=str(secrets.randbelow(9 * 10**17) + 10**17), token=_fresh_token())
        _write(path, [*known, made])
        return made


def _read(path: Path) -> list[Source]:
    try:
        return _SOURCES.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SourcesUnreadable(f"{path} is not a file of sources: {place or 'it'}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise SourcesUnreadable(f"{path} cannot be read: {type(error).__name__}") from None


def _write(path: Path, sources: list[Source]) -> None:
    """Replace the file as a whole, so that no reader ever sees half of it."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump([source.model_dump() for source in sources], file, indent=2)
        file.write("\n")
    fresh.replace(path)


def _fresh_token() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


def _same(mine: str, theirs: str) -> bool:
    return secrets.compare_digest(mine.encode(), theirs.encode("utf-8", "surrogatepass"))
