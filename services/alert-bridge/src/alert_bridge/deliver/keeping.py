"""Keeps on the bus what a successor needs of one destination, and hears whether it may be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.breaker import Breaker
from alert_bridge.deliver.standing import Halt, Kept, digest_of, kept_as
from alert_bridge.deliver.taking import ABOUT, OURSELVES, STOPPED_TYPE
from alert_bridge.destinations.destination import Stopped
from alert_bridge.destinations.spec import Spec
from alert_bridge.errors import AlertBridgeError
from baleen_bus import ApiRefused, Bucket, BusError, Unreachable
from baleen_bus.buckets import DELIVERY
from baleen_contracts.alert import Alert, Severity

EVERY: Final = 1.0
"""Seconds between two writings of what has changed."""
_ANYWAY: Final = 60.0
"""Seconds after which it is written though nothing has changed, since the bucket lets go of the oldest."""
_WORKING_EVERY: Final = 20.0

log = structlog.get_logger(__name__)


class Keeping:
    """What is kept of one destination while it is served.

    Args:
        name: the destination.
        spec: what the rules say of it.
        around: what every courier works with.
        kept: what was kept before; its account is the one that is counted in.
        asked: the revision of the newest wish to try it again.
        breaker: stopped if it was stopped before, and nothing has changed since.
        on_resumed: called when it may be tried again.
        working: tells the bus what is in work.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        around: Around,
        *,
        kept: Kept,
        asked: int,
        breaker: Breaker,
        on_resumed: Callable[[], None],
        working: Callable[[], None],
    ) -> None:
        self._name, self._around = name, around
        self._kept, self._asked, self._breaker = kept, asked, breaker
        self._spec = digest_of(spec)
        self._on_resumed, self._working = on_resumed, working
        self._bucket = Bucket(around.bus, DELIVERY)
        self._written: dict[str, Any] = {}
        self._written_at = self._worked_at = -_ANYWAY
        self._telling: set[asyncio.Task[None]] = set()
        halt = kept.halt
        if halt is not None and halt.spec == self._spec and asked <= halt.asked:
            breaker.stop(halt.why)
        else:
            self._kept = replace(kept, halt=None)

    async def run(self) -> None:
        """Keeps it, for ever.

        Raises:
            Unreachable, ApiRefused: the bus cannot be asked; begin anew.
        """
        while True:
            now = self._around.clock.monotonic()
            if now - self._worked_at >= _WORKING_EVERY:
                self._worked_at = now
                self._working()
            if self._breaker.stopped:
                await self._hear()
            await self.write(served=True)
            await asyncio.sleep(EVERY)

    async def write(self, *, served: bool) -> None:
        """Writes what has changed, and waits until the bus has it."""
        around, breaker = self._around, self._breaker
        now = around.clock.monotonic()
        self._kept = replace(
            self._kept,
            standing=breaker.standing(now),
            why=breaker.why,
            served_by=around.replica if served else "",
        )
        told = {"kept": self._kept, "counts": self._kept.counts.told()}
        if told == self._written and now - self._written_at < _ANYWAY:
            return
        self._written, self._written_at = told, now
        body = kept_as(replace(self._kept, at=_time(around)))
        await around.pen.write((names.account_of(self._name), body))

    def halted(self, verdict: Stopped) -> None:
        """The destination takes nothing any more: that is kept, and told once."""
        at = _time(self._around)
        why = self._breaker.why
        self._kept = replace(self._kept, halt=Halt(at, why, self._spec, self._asked))
        log.error("a destination takes nothing any more", destination=self._name, why=why)
        telling = asyncio.create_task(self._tell(at, verdict), name=f"stopped-{self._name}")
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self, at: str, verdict: Stopped) -> None:
        status = f" ({verdict.status})" if verdict.status else ""
        alert = Alert(
            id=f"{STOPPED_TYPE}:{names.place_of(self._name)}:{at}",
            occurred_at=self._around.clock.now(),
            alert_type=STOPPED_TYPE,
            source=OURSELVES,
            severity=Severity.ERROR,
            title=f"The destination {self._name} takes no alerts any more{status}",
            content="Nothing is sent to it until its rules change or it is resumed. " + verdict.detail,
            labels={ABOUT: self._name},
        )
        while True:
            try:
                await self._around.say(alert)
            except (AlertBridgeError, BusError) as error:
                log.debug("that a destination stopped cannot be told yet", why=str(error))
                await asyncio.sleep(EVERY)
            else:
                return

    async def _hear(self) -> None:
        """Whether somebody wishes that it is tried again."""
        try:
            wish = await self._bucket.read(names.resume_of(self._name))
        except (Unreachable, ApiRefused):
            return
        if wish is not None and wish.revision > self._asked:
            self._asked = wish.revision
            self._kept = replace(self._kept, halt=None)
            self._breaker.resume()
            log.info("a destination is tried again", destination=self._name)
            self._on_resumed()


def _time(around: Around) -> str:
    return around.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
