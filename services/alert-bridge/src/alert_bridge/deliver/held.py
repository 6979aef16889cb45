"""What waits to be told together, each group until it is due. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from alert_bridge.deliver.ends import Key
from alert_bridge.deliver.queue import Item, Parcel
from alert_bridge.reasons import Wait
from alert_bridge.rules.decide import Hold


@dataclass(slots=True)
class Group:
    """What is told in one digest, when it is due; times in seconds of the epoch."""

    until: float
    why: Wait
    items: list[Item] = field(default_factory=list)


class Held:
    """The groups of one destination, by route and key."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], Group] = {}

    def __len__(self) -> int:
        return sum(len(group.items) for group in self._groups.values())

    @property
    def why(self) -> Wait | None:
        """Why the group waits that is due first."""
        first = min(self._groups.values(), key=lambda group: group.until, default=None)
        return None if first is None else first.why

    def next_due(self) -> float | None:
        """When the first group is due; None if there is none."""
        return min((group.until for group in self._groups.values()), default=None)

    def add(self, item: Item, decision: Hold, *, now: float, came: float) -> list[Parcel]:
        """Puts an alert into its group; returns what goes out because of it.

        Args:
            item: the alert.
            decision: which group, and until when.
            now: seconds of the epoch.
            came: when it was received: after the group was due it begins a new one.
        """
        released: list[Parcel] = []
        place = (decision.route, decision.key)
        group = self._groups.get(place)
        if group is not None and came >= group.until:
            released.append(self._release(place, now))
            group = None
        if group is None:
            group = self._groups[place] = Group(decision.until.timestamp(), decision.why)
        group.items.append(item)
        if group.until <= now or (decision.most is not None and len(group.items) >= decision.most):
            released.append(self._release(place, now))
        return released

    def withdraw(self, key: Key) -> Item | None:
        """Takes one alert out of its group; None if it is in none."""
        for place, group in self._groups.items():
            found = next((item for item in group.items if item.key == key), None)
            if found is not None:
                group.items.remove(found)
                if not group.items:
                    del self._groups[place]
                return found
        return None

    def release_due(self, now: float) -> list[Parcel]:
        """What goes out now."""
        due = [place for place, group in self._groups.items() if group.until <= now]
        return [self._release(place, now) for place in due]

    def release_largest(self, now: float) -> Parcel:
        """Lets the largest group go before its time.

        Raises:
            ValueError: there is none.
        """
        return self._release(max(self._groups, key=lambda place: len(self._groups[place].items)), now)

    def _release(self, place: tuple[str, str], now: float) -> Parcel:
        """Takes a group out; the age of its alerts counts from when it was due, or from now."""
        group = self._groups.pop(place)
        for item in group.items:
            item.since = max(item.since, min(now, group.until))
        return Parcel(group.items, digest=len(group.items) > 1)
