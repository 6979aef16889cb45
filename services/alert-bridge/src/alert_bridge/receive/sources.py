"""The file of sources: who may post, with their secrets; readable by its owner alone, replaced as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from alert_bridge.errors import SourcesUnreadable
from alert_bridge.receive.source import OldToken, Source, Sources
from baleen_runtime.clock import SystemClock

_ALPHABET = string.ascii_letters + string.digits + "-_"
_TOKEN_LENGTH = 68  # what Discord's own tokens have; some clients check
_SOURCES = TypeAdapter(list[Source])


def load_sources(path: Path | None) -> Sources:
    """Read the file of sources; without one there are none.

    Raises:
        SourcesUnreadable: it is missing or not such a file.
    """
    if path is None:
        return Sources((), SystemClock())
    try:
        return Sources(read_sources(path.read_bytes(), path), SystemClock())
    except FileNotFoundError:
        raise SourcesUnreadable(
            f"ALERT_BRIDGE_SOURCES names {path}, which does not exist: make it with `alert-bridge source add`"
        ) from None
    except OSError as error:
        raise SourcesUnreadable(f"{path} cannot be read: {type(error).__name__}") from None


def read_sources(text: bytes, path: Path) -> list[Source]:
    """The sources in *text*, the bytes of the file at *path*.

    Raises:
        SourcesUnreadable: it is no such file, or two sources share a name, an id or a token.
    """
    try:
        sources = _SOURCES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SourcesUnreadable(f"{path} is not a file of sources: {place or 'it'}: {first['msg']}") from None
    for what, shared in (
        ("name", [source.name for source in sources]),
        ("id", [source.id for source in sources]),
        ("token", [t for s in sources for t in (s.token, *(old.token for old in s.old_tokens))]),
    ):
        if len(set(shared)) != len(shared):
            raise SourcesUnreadable(f"{path} is not a file of sources: two of them have the same {what}")
    return sources


def add_source(path: Path, name: str) -> Source:
    """Return the source called *name* in the file at *path*, made with fresh credentials if it is new.

    Raises:
        SourcesUnreadable: the file is there and is not a file of sources.
    """
    with _held(path) as (known, write):
        for source in known:
            if source.name == name:
                return source
        made = Source(name=name, id=str(secrets.randbelow(9 * 10**17) + 10**17), token=_fresh_token())
        write([*known, made])
        return made


def rotate_source(path: Path, name: str, *, keep_old: timedelta, now: datetime) -> Source:
    """Give the source called *name* a fresh token; the ones it had stay good for *keep_old*, at most.

    Raises:
        SourcesUnreadable: the file is missing or not a file of sources.
        ValueError: there is no such source.
    """
    with _held(path) as (known, write):
        source = _named(known, name)
        until = now + keep_old
        was = [OldToken(token=source.token), *source.old_tokens]
        kept = [OldToken(token=old.token, until=min(old.until or until, until)) for old in was]
        still = tuple(old for old in kept if old.until is not None and old.until > now)
        turned = source.model_copy(update={"token": _fresh_token(), "old_tokens": still})
        write([turned if one is source else one for one in known])
        return turned


def remove_source(path: Path, name: str) -> None:
    """Forget the source called *name*, and with it all its tokens.

    Raises:
        SourcesUnreadable: the file is missing or not a file of sources.
        ValueError: there is no such source.
    """
    with _held(path) as (known, write):
        gone = _named(known, name)
        write([one for one in known if one is not gone])


def list_sources(path: Path) -> list[Source]:
    """The sources in the file at *path*; none if there is no file yet.

    Raises:
        SourcesUnreadable: it is there and is not a file of sources.
    """
    try:
        return read_sources(path.read_bytes(), path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SourcesUnreadable(f"{path} cannot be read: {type(error).__name__}") from None


@contextmanager
def _held(path: Path) -> Iterator[tuple[list[Source], Callable[[list[Source]], None]]]:
    """The sources in the file, and what replaces them; two callers at once lose nothing of each other's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = list_sources(path)
        yield known, lambda sources: _write(path, sources)


def _named(known: list[Source], name: str) -> Source:
    for source in known:
        if source.name == name:
            return source
    raise ValueError(f"there is no source called {name!r}")


def _write(path: Path, sources: list[Source]) -> None:
    """Replace the file as a whole, so that no reader ever sees half of it; follows a symbolic link."""
    target = path.resolve()
    fresh = target.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        said = [source.model_dump(mode="json", exclude_defaults=True) for source in sources]
        json.dump(said, file, indent=2)
        file.write("\n")
    fresh.replace(target)


def _fresh_token() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))
