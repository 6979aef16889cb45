"""Where keys come from while the gateway runs: a setting, and a key set in a file or at an address.

A key set is read again every so often, and soon after a token names a key that is not in it. While its source
is away or says nonsense, the keys that were there go on being used; what a good key set no longer holds is
believed no more at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog

from ws_gateway.doors.keys import MAX_SET_BYTES, KeySet, keys_of
from ws_gateway.errors import KeysFlawed

log = structlog.get_logger(__name__)

PAUSE: Final = 10.0
"""The least seconds from one reading to the next, whatever tokens name."""
_WITHIN: Final = 5.0
"""Seconds that one reading may take, and that a client waits for one."""
_ASKED: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


def flaw_of_source(source: str) -> str | None:
    """Return what is wrong with where a key set is to be read, None if it is a file or a safe address."""
    if "://" not in source:
        return None
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:
        return "this is no address"
    if parts.username is not None or parts.password is not None:
        return "an address with a user or a password in it is shown in too many places"
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return None
    return "keys are fetched over https://, or over http:// from this machine; else name a file"


class Keyring:
    """The keys that hold now."""

    def __init__(
        self,
        fixed: KeySet,
        source: str | None,
        *,
        every: float,
        pause: float,
        on_read: Callable[[str | None], None],
    ) -> None:
        """Hold the *fixed* keys; `keep` reads the others.

        Args:
            fixed: the keys of the settings.
            source: a file, or an address, of a key set; None for none.
            every: seconds from one reading to the next.
            pause: the least seconds from one reading to the next, whatever tokens name.
            on_read: called after each reading with None, or with the reason why there are still no keys.
        """
        self.keys = fixed
        self.readings = self.failures = 0
        self._fixed, self._source = fixed, source
        self._every, self._pause = every, pause
        self._on_read = on_read
        self._wished = asyncio.Event()
        self._reading: asyncio.Future[None] | None = None
        self._rested = False

    @property
    def changes(self) -> bool:
        """Whether there may be other keys later."""
        return self._source is not None

    def wish(self) -> bool:
        """Ask for a reading before its time; return whether there will be one now."""
        if self._source is None or not (self._rested or self._reading is not None):
            return False
        self._wished.set()
        return True

    async def read_anew(self) -> bool:
        """Ask for a reading and wait for it; return whether there was one."""
        if not self.wish():
            return False
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._reading}, timeout=_WITHIN)
        return self._reading is None

    async def keep(self) -> None:
        """Read the key set, again and again until cancelled; returns at once where there is none."""
        while self._source is not None:
            self._wished.clear()
            await self._read(self._source)
            await asyncio.sleep(self._pause)
            self._rested = True
            again = self._every if self.readings else 0.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, again - self._pause)):
                    await self._wished.wait()
            self._rested = False

    async def _read(self, source: str) -> None:
        try:
            async with asyncio.timeout(_WITHIN):
                document = await _document(source)
            found = keys_of(document, public="://" in source)
        except (KeysFlawed, OSError, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            self.failures += 1
            reason = str(error) or type(error).__name__
            log.warning("keys cannot be read", reason=reason, kept=len(self.keys))
            self._on_read(None if self.readings else reason)
        else:
            self.readings += 1
            self.keys = self._fixed + found
            self._on_read(None)
        waiting, self._reading = self._reading, None
        if waiting is not None:
            waiting.set_result(None)


async def _document(source: str) -> bytes:
    """Return the text of a key set, not much longer than one may be.

    Raises:
        OSError: the file cannot be read.
        httpx.HTTPError: nobody answers.
        KeysFlawed: the answer is none.
    """
    if "://" not in source:
        return await asyncio.to_thread(_head_of, Path(source))
    abroad = source.startswith("https:")  # a proxy of the environment has no business with this machine
    async with (
        httpx.AsyncClient(timeout=_WITHIN, trust_env=abroad) as client,
        client.stream("GET", source, headers=_ASKED) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise KeysFlawed(f"the address of the key set answers {answer.status_code}")
        document = b""
        async for part in answer.aiter_raw():
            document += part
            if len(document) > MAX_SET_BYTES:
                break
        return document


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_SET_BYTES + 1)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
