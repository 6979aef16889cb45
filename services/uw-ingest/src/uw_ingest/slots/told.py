"""What the holder of a slot tells of it in its lease, read whoever wrote it.

Pure. A value that a stranger wrote means nothing: what has the wrong shape is left out.
"""

from collections.abc import Mapping
from typing import Any

from baleen_bus.leases import Seen
from uw_ingest.plan.planner import SlotView
from uw_ingest.slots.feed import Connection
from uw_ingest.slots.handover import Sight

HEAVIEST = 1e9  # frames a second that anybody can mean


def texts(value: Any) -> list[str]:
    """Return the texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def sight_of(seen: Seen | None) -> Sight:
    """Return how a slot looks to a replica that may take its channels over."""
    if seen is None or seen.deleted:
        return Sight(clean=seen is not None)
    value = seen.value
    epoch = value.get("epoch")
    connected = value.get("state") == Connection.CONNECTED
    return Sight(
        epoch=epoch if isinstance(epoch, int) and epoch else seen.revision,  # the value that took it has none
        flows=value.get("flows") is True,
        brings=frozenset(texts(value.get("accepted")) if connected else ()),
        owes=frozenset(texts(value.get("owes"))),
        dropped=frozenset(texts(value.get("dropped"))),
        clean=value.get("before") == "released",
    )


def slot_view(number: int, value: Mapping[str, Any]) -> SlotView:
    """Return what the planner must know of a slot that somebody holds."""
    full_at = value.get("full_at")
    return SlotView(
        number=number,
        held=True,
        leaving=value.get("leaving") is True,
        connected=value.get("state") == Connection.CONNECTED,
        accepted=frozenset(texts(value.get("accepted"))),
        mute=value.get("mute") is True,
        full_at=full_at if isinstance(full_at, int) else None,
    )


def rates_of(value: Mapping[str, Any]) -> dict[str, float]:
    """Return the frames a second of each channel."""
    rates = value.get("weights")
    if not isinstance(rates, dict):
        return {}
    return {
        channel: float(rate)
        for channel, rate in rates.items()
        if isinstance(rate, int | float) and 0 <= rate < HEAVIEST
    }
