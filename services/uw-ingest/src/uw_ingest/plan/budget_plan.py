"""What the planner sees and what it decides: the slots, and the plan that every replica follows.

Pure. The plan travels as JSON; one that a stranger wrote, or that does not hold together, is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from uw_ingest.plan.wanted import Unserved

MAX_BYTES = 900 * 1024  # less than the bus takes, more than the planner writes
_MAX_SLOTS = 64
_MAX_JOINS = 50  # upstream's own limit

_Slot = Annotated[int, Field(ge=1, le=1_000)]
_Channel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}(:[A-Za-z0-9.^/_-]{1,20})?$")]
_Feed = Annotated[str, Field(max_length=64)]
_Words = Annotated[str, Field(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class SlotView:
    """What is known of a slot.

    ``accepted`` are the channels that upstream accepted on its socket; ``mute`` says that upstream refuses
    the socket in silence; ``full_at`` is how many joins it allowed, once it complained.
    """

    number: int
    held: bool
    leaving: bool = False
    connected: bool = False
    accepted: frozenset[str] = frozenset()
    mute: bool = False
    full_at: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a wanted channel sits, and why.

    ``moving_from`` is the slot that keeps the old join until the new one is accepted; ``via`` the channel of
    all tickers that carries this one's data.
    """

    channel: _Channel
    slot: _Slot
    why: _Words
    moving_from: _Slot | None = None
    via: _Channel | None = None
    by: tuple[str, ...] = ()


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Plan:
    """Who joins what. ``joins`` names the slots in use and no others.

    ``stuck`` are slots that leave and keep channels, since no other is free to take them: their holders need
    not wait for anybody. ``polled`` are the polled feeds that somebody wishes for.
    """

    joins: Mapping[_Slot, Annotated[tuple[_Channel, ...], Field(min_length=1, max_length=_MAX_JOINS)]]
    placements: tuple[Placement, ...]
    unserved: tuple[Unserved, ...]
    ceiling: Annotated[int, Field(ge=0, le=_MAX_SLOTS)]
    ceiling_why: _Words
    stuck: tuple[_Slot, ...] = ()
    polled: Annotated[tuple[_Feed, ...], Field(max_length=100)] = ()


NOTHING_PLANNED = Plan({}, (), (), 0, "nothing is planned yet")
_PLAN = TypeAdapter(Plan)


def plan_to_json(plan: Plan) -> bytes:
    """Write a plan."""
    return orjson.dumps(asdict(plan), option=orjson.OPT_NON_STR_KEYS)


def plan_from_json(body: bytes) -> Plan:
    """Read a plan.

    Raises:
        ValueError: it is no plan, or its parts contradict each other.
    """
    if len(body) > MAX_BYTES:
        raise ValueError(f"a plan of {len(body)} bytes is too long")
    try:
        plan = _PLAN.validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise ValueError(f"no plan: {place or 'the whole'}: {first['msg'][:200]}") from None
    _hold_together(plan)
    return plan


def _hold_together(plan: Plan) -> None:
    if len(plan.joins) > plan.ceiling:
        raise ValueError(f"no plan: it uses {len(plan.joins)} slots of {plan.ceiling}")
    for number, channels in plan.joins.items():
        if len(set(channels)) != len(channels):
            raise ValueError(f"no plan: slot {number} joins a channel twice")
    names = [placement.channel for placement in plan.placements]
    if len(set(names)) != len(names):
        raise ValueError("no plan: a channel is placed twice")
