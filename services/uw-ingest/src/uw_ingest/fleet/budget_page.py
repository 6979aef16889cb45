"""``GET /budget``: who holds what and until when, which channel sits where and why, and what is wrong.

Any replica answers for all of them, from the leases and the plan on the bus. Pure: facts in, JSON out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baleen_bus.leases import Seen
from baleen_contracts.feed import FeedState
from uw_ingest.fleet.advice import Trouble, cure, trouble
from uw_ingest.plan.planner import Plan
from uw_ingest.slots.told import texts

_FINE = frozenset({FeedState.LIVE, FeedState.QUIET, FeedState.BACKFILLING, FeedState.DISABLED})
_OPEN = frozenset({"connected", "connecting", "taken"})


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """What is known at one moment. ``now`` in monotonic seconds, as the times in ``leases`` are."""

    replica: str
    now: float
    most: int
    lease_length: float
    leases: Mapping[str, Seen]
    ours: Mapping[int, Mapping[str, Any]]  # what we would tell of our own slots
    plan: Plan | None
    feeds: Mapping[str, tuple[str, str]]  # state and why, by feed
    rest: Mapping[str, Any]
    why_disabled: str = ""
    bus: bool = True


def budget_page(facts: BudgetFacts) -> dict[str, Any]:
    """Return the whole page."""
    slots = [_slot(facts, number) for number in range(1, facts.most + 1)]
    plan = facts.plan
    feeds = {
        name: {"state": state, "why": why, "do": "" if state in _FINE else cure(why)}
        for name, (state, why) in sorted(facts.feeds.items())
    }
    return {
        "replica": facts.replica,
        "sockets": {
            "ceiling": plan.ceiling if plan else facts.most,
            "why": plan.ceiling_why if plan else "nothing is planned yet",
            "slots": slots,
        },
        "planner": {"holder": _holder(facts.leases.get("planner"))},
        "channels": _channels(plan, slots),
        "unserved": [
            {"topic": wish.topic, "by": list(wish.by), "why": wish.why}
            for wish in (plan.unserved if plan else ())
        ],
        "feeds": feeds,
        "rest": {"holder": _holder(facts.leases.get("rest")), **facts.rest},
        "trouble": [one._asdict() for one in _troubles(facts, slots, feeds)],
    }


def _slot(facts: BudgetFacts, number: int) -> dict[str, Any]:
    seen = facts.leases.get(f"socket.{number}")
    live = seen if seen is not None and not seen.deleted else None
    mine = number in facts.ours
    value = facts.ours[number] if mine else live.value if live else {}
    why = str(value.get("why") or "")
    state = str(value.get("state") or ("free" if live is None and not mine else "unknown"))
    return {
        "slot": number,
        "holder": facts.replica if mine else _holder(live),
        "mine": mine,
        "state": state,
        "why": why,
        "do": "" if state in ("free", *_OPEN) else cure(why),
        "leaving": value.get("leaving") is True,
        "until_s": round(max(live.at + facts.lease_length - facts.now, 0.0), 3) if live else None,
        "epoch": value.get("epoch") or (live.revision if live else 0),
        "joined": texts(value.get("accepted")),
        "refused": value.get("refused") if isinstance(value.get("refused"), dict) else {},
        "weights": value.get("weights") if isinstance(value.get("weights"), dict) else {},
        "full_at": value.get("full_at"),
        "planned": list(facts.plan.joins.get(number, ())) if facts.plan else [],
    }


def _channels(plan: Plan | None, slots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_number = {slot["slot"]: slot for slot in slots}
    found = []
    for placement in plan.placements if plan else ():
        slot = by_number.get(placement.slot, {})
        carrier = placement.via or placement.channel
        refused = str(slot.get("refused", {}).get(carrier, ""))
        joined = carrier in slot.get("joined", ())
        found.append(
            {
                "channel": placement.channel,
                "slot": placement.slot,
                "by": list(placement.by),
                "why": placement.why,
                "state": "joined" if joined else "not joined",
                "trouble": "" if joined else refused,
                "weight": float(slot.get("weights", {}).get(placement.channel, 0.0)),
                "moving_from": placement.moving_from,
                "via": placement.via,
            }
        )
    return found


def _troubles(
    facts: BudgetFacts, slots: list[dict[str, Any]], feeds: Mapping[str, Mapping[str, str]]
) -> Iterable[Trouble]:
    if facts.why_disabled:
        yield trouble("nothing is asked of upstream", facts.why_disabled)
        return
    if not facts.bus:
        yield Trouble("the bus is away", "Look after NATS; what is known here is old until it is back.")
    for slot in slots:
        yield from _slot_troubles(slot)
    if facts.plan is not None and facts.plan.ceiling < facts.most:
        yield trouble("fewer sockets than set", facts.plan.ceiling_why)
    for wish in facts.plan.unserved if facts.plan else ():
        yield Trouble(f"{wish.topic} is wished and not served", wish.why)
    for name, feed in feeds.items():
        if feed["state"] not in _FINE:
            yield trouble(f"feed {name} is {feed['state']}", feed["why"])


def _slot_troubles(slot: Mapping[str, Any]) -> Iterable[Trouble]:
    name = f"socket {slot['slot']}"
    if slot["state"] not in ("free", *_OPEN):
        yield trouble(f"{name} is {slot['state']}", slot["why"])
    if slot["full_at"] is not None:
        yield trouble(f"{name} is full", f"upstream's limit is reached at {slot['full_at']} channels")
    for channel, why in slot["refused"].items():
        yield trouble(f"channel {channel} is not joined", str(why))


def _holder(seen: Seen | None) -> str | None:
    if seen is None or seen.deleted:
        return None
    return str(seen.value.get("owner", "unknown"))
