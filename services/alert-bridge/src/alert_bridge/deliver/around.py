"""What every courier of a process works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from alert_bridge.deliver.ledger import Ledger
from alert_bridge.deliver.metrics import DeliveryMetrics
from alert_bridge.deliver.pen import Pen
from alert_bridge.destinations.destination import Destination
from alert_bridge.destinations.spec import Spec
from alert_bridge.rules.model import Rules
from baleen_bus import Bus, Publisher
from baleen_contracts.alert import Alert
from baleen_runtime.clock import Clock


class InForce(Protocol):
    """The rules in force, which may change at any moment."""

    @property
    def rules(self) -> Rules:
        """What they say now."""

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after each change; returns how to end that."""


@dataclass(slots=True)
class Extent:
    """How far the stream of alerts reaches, as it was seen a moment ago."""

    last: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """What every courier works with.

    Attributes:
        bus: the connection.
        pen: writes down what became of alerts.
        ledger: reads that.
        letters: publishes dead letters.
        say: stores an alert of the bridge's own.
        rules: what the rules say now.
        build: makes a destination.
        clock: the time.
        chance: one number in [0, 1) each time.
        metrics: what is counted.
        replica: this process, as operators know it.
        longest_wait: seconds; the longest wait after a failure.
        extent: how far the stream reaches.
    """

    bus: Bus
    pen: Pen
    ledger: Ledger
    letters: Publisher
    say: Callable[[Alert], Awaitable[object]]
    rules: Callable[[], Rules]
    build: Callable[[str, Spec], Destination]
    clock: Clock
    chance: Callable[[], float]
    metrics: DeliveryMetrics
    replica: str
    longest_wait: float
    extent: Extent

    def now(self) -> float:
        """Seconds of the epoch."""
        return self.clock.now().timestamp()
