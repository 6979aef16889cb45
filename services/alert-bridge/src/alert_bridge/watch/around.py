"""What all readers of the watches share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alert_bridge.rules.model import Watch
from alert_bridge.watch.figures import WatchFigures
from alert_bridge.watch.restraint import Cooldown
from baleen_bus import Bus, Publisher
from baleen_runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Around:
    """What every reader works with.

    Attributes:
        bus: the connection.
        publisher: takes the alerts.
        figures: counts.
        clock: the time, for summaries and the age of positions.
        cooldown: gives the cooldown of a watch, which it shares with other streams.
        most: alerts of a watch for one second.
    """

    bus: Bus
    publisher: Publisher
    figures: WatchFigures
    clock: Clock
    cooldown: Callable[[Watch], Cooldown | None]
    most: int
