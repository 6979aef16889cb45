"""The accounts of the destinations as metrics, taken from one snapshot so that they add up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alert_bridge.account.books import Books
from alert_bridge.account.deliveries import DestinationAccount
from alert_bridge.reasons import Dead, Suppressed
from baleen_bus import BusError

EVERY: Final = 5.0
"""Seconds between snapshots."""
_PREFIX: Final = "baleen_alert_bridge_account_"

log = structlog.get_logger(__name__)


class AccountGauges(Collector):
    """The newest snapshot, for Prometheus. Every replica tells of all destinations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._taken: Sequence[DestinationAccount] = ()
        self._at: float | None = None
        registry.register(self)

    async def run(self, books: Books) -> None:
        """Take a snapshot again and again, until cancelled."""
        while True:
            try:
                self._taken, self._at = await books.accounts(), time.monotonic()
            except BusError as error:
                log.debug("no account could be taken", error=str(error))
            await asyncio.sleep(EVERY)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of the newest snapshot."""
        yield from _families(self._taken)
        if self._at is not None:
            yield GaugeMetricFamily(
                f"{_PREFIX}age_seconds",
                "How old the other account gauges are.",
                value=time.monotonic() - self._at,
            )


def _families(accounts: Sequence[DestinationAccount]) -> Iterator[GaugeMetricFamily]:
    for state, words in (
        ("accepted", "Alerts stored since the destination was first served."),
        ("delivered", "Of these, it has."),
        ("in_flight", "Of these, have not ended."),
        ("unaccounted", "Accepted less delivered, suppressed, dead and in flight: 0 when it is quiet."),
        ("possible_duplicates", "Requests that said again what an earlier one may have said."),
    ):
        family = GaugeMetricFamily(f"{_PREFIX}{state}", words, labels=("destination",))
        for one in accounts:
            family.add_metric((one.name,), getattr(one, state))
        yield family
    reasons: tuple[tuple[str, str, type[StrEnum]], ...] = (
        ("suppressed", "Of these, it was not to be told.", Suppressed),
        ("dead", "Of these, it will not get.", Dead),
    )
    for state, words, known in reasons:
        family = GaugeMetricFamily(f"{_PREFIX}{state}", words, labels=("destination", "reason"))
        for one in accounts:
            counts: dict[str, int] = dict.fromkeys(map(str, known), 0)  # so that a sum is never absent
            counts |= {str(reason): count for reason, count in getattr(one, state).items()}
            for reason, count in counts.items():
                family.add_metric((one.name, reason), count)
        yield family
