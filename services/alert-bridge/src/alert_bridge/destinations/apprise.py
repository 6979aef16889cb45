"""Hands alerts to any service that Apprise knows.

Apprise tells success from failure and no more: no status, no time to wait. So whatever is not a success is
tried again, until it is too old. It waits and blocks, so each notification has a thread of its own, one at
a time; a thread that is not back in time keeps the next one waiting.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from alert_bridge.carried import Carried
from alert_bridge.destinations import apprise_message
from alert_bridge.destinations.addresses import is_public
from alert_bridge.destinations.apprise_message import Body
from alert_bridge.destinations.destination import Delivered, Later, Packed, Stopped, Verdict
from alert_bridge.destinations.outward import addresses_of
from alert_bridge.destinations.spec import AppriseSpec
from alert_bridge.reasons import Wait

WITHIN = 30.0


class AppriseDestination:
    """One service of Apprise's, with its own Apprise.

    Args:
        name: as in the rules.
        spec: what the rules say of it.
        within: seconds a notification may take.
    """

    def __init__(self, name: str, spec: AppriseSpec, *, within: float = WITHIN) -> None:
        self._name, self._spec, self._within = name, spec, within
        self._service: Any = None
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        """As in the rules."""
        return self._name

    def pack(self, waiting: Sequence[Carried], *, digest: bool = False) -> Packed:
        """The first alert that waits, in words, or a digest of all."""
        return apprise_message.pack(waiting, digest=digest)

    def ready_in(self, now: float) -> float:  # noqa: ARG002 - Apprise waits by itself
        """At once: Apprise tells nothing of limits."""
        return 0.0

    async def send(self, body: Any) -> Verdict:
        """Send one notification."""
        message: Body = body
        if not self._busy.acquire(blocking=False):
            return Later(Wait.UNREACHABLE, detail="the last notification is still under way")
        try:
            async with asyncio.timeout(self._within):
                return await self._send(message)
        except TimeoutError:
            return Later(Wait.NO_ANSWER, detail="Apprise was not done in time")

    async def close(self) -> None:
        """Nothing to let go of: a thread under way ends by itself."""

    async def _send(self, message: Body) -> Verdict:
        """Hand over *message*; the thread, or whoever does without one, lets the next one pass."""
        try:
            self._service = self._service or await asyncio.to_thread(_service_of, self._spec)
            verdict = await self._looked_at()
        except BaseException:
            self._busy.release()
            raise
        if verdict is not None:
            self._busy.release()
            return verdict
        return await _in_thread(lambda: _notify(self._service, message), self._busy.release)

    async def _looked_at(self) -> Verdict | None:
        """Refuse a service that Apprise does not understand, or whose host is not public."""
        if self._service is None:
            return Stopped(detail="Apprise does not understand the URL")
        if self._spec.allow_private:
            return None
        for host in _hosts_of(self._service):
            try:
                addresses = await addresses_of(host, 443)
            except httpx.TransportError as error:
                return Later(Wait.UNREACHABLE, detail=type(error).__name__)
            if not all(map(is_public, addresses)):
                return Stopped(
                    detail="the host's address is private, local or reserved; allow_private would permit it"
                )
        return None


async def _in_thread(work: Callable[[], Verdict], done: Callable[[], None]) -> Verdict:
    """What *work* returns in a thread of its own, that no end of the process waits for."""
    loop = asyncio.get_running_loop()
    verdict: asyncio.Future[Verdict] = loop.create_future()

    def tell(found: Verdict) -> None:
        if not verdict.done():
            verdict.set_result(found)

    def run() -> None:
        try:
            found = work()
        finally:
            done()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return await verdict


def _service_of(spec: AppriseSpec) -> Any:
    """Apprise's object for one service; None if the URL is none."""
    import apprise  # noqa: PLC0415 - a hundred modules, for who has such a destination

    for name in ("apprise", "urllib3"):  # they print URLs, and a URL may hold a token
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="alert-bridge", http_redirects=False, async_mode=False)
    service = apprise.Apprise.instantiate(spec.url.get_secret_value(), asset=asset, suppress_exceptions=True)
    if service is not None:
        service.overflow_mode = apprise.OverflowMode.SPLIT
    return service


def _notify(service: Any, message: Body) -> Verdict:
    """Send it; whatever goes wrong may go well the next time."""
    import apprise  # noqa: PLC0415 - see above

    try:
        holder = apprise.Apprise(asset=service.asset)
        holder.add(service)
        taken = holder.notify(
            body=message.text,
            title=message.title,
            notify_type=message.kind,
            body_format=apprise.NotifyFormat.TEXT,
        )
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their libraries do
        return Later(Wait.SERVER_ERROR, detail=type(error).__name__)
    return Delivered() if taken else Later(Wait.SERVER_ERROR, detail="Apprise could not deliver it")


def _hosts_of(service: Any) -> list[str]:
    """The hosts that *service* was told to reach; one whose host is fixed keeps other things in its URL."""
    hosts = [getattr(service, "smtp_host", None)]
    if any("{host}" in template for template in service.templates):
        hosts.append(service.host)
    return [host for host in hosts if isinstance(host, str) and host]
