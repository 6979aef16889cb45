"""Holds the rules in force, and takes a changed file into use while everything runs.

A file that is wrong changes nothing: the rules before it stay in force, and it is said what is wrong. At the
start there are none before it, so the bridge does not start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.load import Files, load_rules
from alert_bridge.rules.model import Rules
from baleen_runtime.health import Health
from baleen_runtime.logs import hide

_LONG_TOKEN = 16  # characters of the last part of a path that can be a token

log = structlog.get_logger(__name__)


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
        self._judged = Files()
        self._rules = Rules() if path is None else load_rules(path, environ, files=self._judged)
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

    async def watch(self, stop: asyncio.Event, health: Health | None = None) -> None:
        """Look at the files until *stop* is set; *health* says what is wrong, and stays well."""
        if self._path is None:
            return
        before = self._judged
        while not await _within(self._look_every, stop):
            seen = await asyncio.to_thread(self._judged.as_they_are)
            if seen == before and seen != self._judged:
                await self._take_up(self._path, seen)
                if health is not None:
                    note = f"as they were before: {self.problem}" if self.problem else ""
                    health.report("rules", ok=True, note=note)
                seen = self._judged
            before = seen

    async def _take_up(self, path: Path, files: Files) -> None:
        self._judged = files
        try:
            rules = await asyncio.to_thread(load_rules, path, self._environ, files=files)
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
