"""Holds the rules in force, and takes a changed file into use while everything runs.

A file that is wrong changes nothing: the rules before it stay in force, and it is said what is wrong. At the
start there are none before it, so the bridge does not start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.document import MAX_BYTES
from alert_bridge.rules.model import Rules
from alert_bridge.rules.read import read_rules
from baleen_runtime.logs import hide

_LONG_TOKEN = 16  # characters of the last part of a path that can be a token

log = structlog.get_logger(__name__)


@dataclass
class _Files:
    """What some files held when they were looked at, or why they could not be read."""

    contents: dict[Path, bytes | type[OSError]]

    def as_they_are(self) -> _Files:
        """The same files, looked at now."""
        return _Files({path: _content(path) for path in list(self.contents)})

    def text(self, path: Path) -> str:
        """What a file held, or holds if it was not looked at before; the beginning if that is too much.

        Raises:
            OSError: it could not be read.
            UnicodeDecodeError: it is no text.
        """
        if path not in self.contents:
            self.contents[path] = _content(path)
        content = self.contents[path]
        if isinstance(content, bytes):
            return content.decode("utf-8-sig")
        raise content


def _content(path: Path) -> bytes | type[OSError]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        return type(error)


class RulesHolder:
    """The rules of one file; without a file there are none, and nobody is told anything.

    A change counts once the file, and the files of secrets it names, were the same at two looks: nobody acts
    on half a file.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], *, look_every: float = 1.0) -> None:
        """Read the file.

        Args:
            path: the rules file.
            environ: where it may find secrets.
            look_every: seconds between two looks at it.

        Raises:
            RulesUnreadable: it is missing or wrong.
        """
        self._path = path
        self._environ = environ
        self._look_every = look_every
        self._callbacks: list[Callable[[], None]] = []
        self._problems: tuple[str, ...] = ()
        self._judged = _Files({})
        self._rules = Rules() if path is None else self._read(path, self._judged)
        hide(secrets_of(self._rules))
        for warning in self._rules.warnings:
            log.warning("the rules are odd", at=warning)

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._rules

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in use; None if it is."""
        return "; ".join(self._problems) or None

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* after each change of the rules, on the watching loop; returns how to end that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def watch(self, stop: asyncio.Event) -> None:
        """Look at the files until *stop* is set."""
        if self._path is None:
            return
        before = self._judged
        while not await _within(self._look_every, stop):
            seen = await asyncio.to_thread(self._judged.as_they_are)
            if seen == before and seen != self._judged:
                await self._take_up(self._path, seen)
                seen = self._judged
            before = seen

    async def _take_up(self, path: Path, files: _Files) -> None:
        self._judged = files
        try:
            rules = await asyncio.to_thread(self._read, path, files)
        except RulesUnreadable as error:
            self._problems = tuple(error.problems)
            log.error("the rules are wrong; those before stay in force", problems=error.problems)  # noqa: TRY400 - a mistake, no defect
            return
        changed = rules != self._rules
        self._rules, self._problems = rules, ()
        hide(secrets_of(rules))
        log.info("took up the rules", version=rules.version, odd=rules.warnings)
        if changed:
            for callback in list(self._callbacks):
                callback()

    def _read(self, path: Path, files: _Files) -> Rules:
        """The rules that *files* hold; what is not among them is read and added.

        Raises:
            RulesUnreadable: they cannot be read.
        """
        try:
            text = files.text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise RulesUnreadable([f"{path}: cannot be read: {type(error).__name__}"]) from None
        return read_rules(text, name=path.name, environ=self._environ, read_file=files.text)


def secrets_of(rules: Rules) -> Iterator[str]:
    """Every secret of the destinations: what is secret whole, and the parts of a URL that are."""
    for spec in rules.destinations.values():
        for name in type(spec).model_fields:
            value = getattr(spec, name, None)
            if isinstance(value, SecretStr):
                whole = value.get_secret_value()
                yield whole
                yield from _tokens_in(whole)


def _tokens_in(url: str) -> Iterable[str]:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
    token = parts.path.rpartition("/")[2]
    if len(token) >= _LONG_TOKEN:
        yield token
    if parts.query:
        yield parts.query


async def _within(seconds: float, stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False
