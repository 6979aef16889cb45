"""The control endpoint `/_sim`: faults on request, and what happened so far. Answers on loopback only.

Every route is `async`: a plain function would run in a thread, beside the loop that owns the upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Depends, HTTPException, Request

from uw_simulator.bursts import MAKERS, Burst, run_burst
from uw_simulator.channels import text_frame
from uw_simulator.connections import Connection
from uw_simulator.faults import Faults, RestFault, garbage_frame
from uw_simulator.limits import Plan
from uw_simulator.market.market import Market
from uw_simulator.offences import Violation
from uw_simulator.orders import (
    AskedBurst,
    Bad,
    BlockAgents,
    Count,
    Drop,
    Exhaust,
    Hush,
    Lag,
    Limits,
    Lose,
    Refuse,
    Rest,
    Say,
    Spend,
    Switch,
    Targeted,
)  # fmt: skip
from uw_simulator.overview import history, overview
from uw_simulator.upstream import Upstream

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


async def only_loopback(request: Request) -> None:
    """Refuse anybody who is not on this machine."""
    if request.client is None or request.client.host not in _LOOPBACK:
        raise HTTPException(403, "control is for loopback only")


def control_routes(upstream: Upstream, market: Callable[[], Market], tasks: asyncio.TaskGroup) -> APIRouter:
    """Return the routes.

    Args:
        upstream: what they act on.
        market: who makes the frames of bursts.
        tasks: the group that bursts run in when nobody waits for them.
    """
    router = APIRouter(prefix="/_sim", dependencies=[Depends(only_loopback)])
    _add_socket_faults(router, upstream)
    _add_armed_faults(router, upstream)
    _add_rest_faults(router, upstream)
    _add_bursts(router, upstream, market, tasks)
    _add_overview(router, upstream)
    return router


def _add_socket_faults(router: APIRouter, upstream: Upstream) -> None:
    @router.post("/drop")
    async def drop(order: Drop) -> dict[str, int]:
        """Hang up."""
        return _each(upstream, order, lambda connection: connection.wire.hang_up(code=order.code))

    @router.post("/mute")
    async def mute(order: Switch) -> dict[str, int]:
        """Send no data while pings and joins are answered."""
        return _each(upstream, order, lambda connection: setattr(connection, "muted", order.on))

    @router.post("/half-open")
    async def half_open(order: Switch) -> dict[str, int]:
        """Send nothing and read nothing, as if the other end had gone without a word."""

        def freeze(connection: Connection) -> None:
            connection.half_open = order.on
            connection.wire.freeze(order.on)

        return _each(upstream, order, freeze)

    @router.post("/garbage")
    async def garbage(order: Bad) -> dict[str, int]:
        """Send bad frames to whoever is connected."""
        frame = garbage_frame(order.kind, size=order.size)
        told = _each(upstream, order, lambda c: upstream.say_raw(frame * order.count, to=[c]))
        upstream.counts[f"garbage_{order.kind}"] += told["connections"] * order.count
        return told

    @router.post("/say")
    async def say(order: Say) -> dict[str, bool]:
        """Send a record to who joined its channel, or a literal text to connections."""
        if order.text is not None:
            upstream.say_raw(text_frame(order.text.encode()), to=_targets(upstream, order.connection))
        elif order.channel is not None and order.payload is not None:
            upstream.emit(order.channel, order.ticker, orjson.dumps(order.payload))
        else:
            raise HTTPException(422, "say needs text, or channel and payload")
        return {"ok": True}


def _add_armed_faults(router: APIRouter, upstream: Upstream) -> None:
    @router.post("/refuse")
    async def refuse(order: Refuse) -> Faults:
        """Refuse the next handshakes, or all for some seconds, with a status."""
        faults = upstream.faults
        faults.refuse, faults.refuse_status, faults.refuse_body = order.count, order.status, order.body
        faults.refuse_until = upstream.clock() + order.seconds
        return faults

    @router.post("/close-after-accept")
    async def close_after_accept(order: Count) -> Faults:
        """Close the next sockets cleanly right after they are accepted."""
        upstream.faults.close_after_accept = order.count
        return upstream.faults

    @router.post("/swallow-joins")
    async def swallow_joins(order: Lose) -> Faults:
        """Lose the next joins without a word, or after the ack."""
        faults = upstream.faults
        if order.acked and order.channel is None:
            raise HTTPException(422, "a join that is acked and lost needs its channel")
        if order.channel is None:
            faults.swallow_joins = order.count
        else:
            (faults.deaf_joins if order.acked else faults.swallow)[order.channel] = order.count
        return faults

    @router.post("/hush")
    async def hush(order: Hush) -> Faults:
        """Let a channel fall silent, or speak again."""
        change = upstream.faults.hushed.add if order.on else upstream.faults.hushed.discard
        change(order.channel)
        return upstream.faults

    @router.post("/block-agents")
    async def block_agents(order: BlockAgents) -> dict[str, list[str]]:
        """Refuse other User-Agents than usual, on the socket and on REST."""
        upstream.blocked_agents = upstream.settings.blocked_agents if order.agents is None else order.agents
        return {"agents": list(upstream.blocked_agents)}

    @router.post("/duplicate")
    async def duplicate(order: Count) -> Faults:
        """Send the next data frames twice."""
        upstream.faults.duplicate = order.count
        return upstream.faults

    @router.post("/lag")
    async def lag(order: Lag) -> Faults:
        """Lose frames and be late, until told otherwise."""
        upstream.faults.drop_share, upstream.faults.delay = order.drop_share, order.delay
        return upstream.faults


def _add_rest_faults(router: APIRouter, upstream: Upstream) -> None:
    @router.post("/rest")
    async def rest(order: Rest) -> RestFault:
        """Spoil the next REST answers, or all for some seconds."""
        until = upstream.clock() + order.seconds
        upstream.rest_fault = RestFault(**order.model_dump(exclude={"seconds"}), until=until)
        return upstream.rest_fault

    @router.post("/spend")
    async def spend(order: Spend) -> dict[str, int]:
        """Let another program on each key make requests at once."""
        for account in upstream.accounts():
            account.requests.spend(order.requests, datetime.now(UTC))
        return {"requests": order.requests}

    @router.post("/exhaust")
    async def exhaust(order: Exhaust) -> dict[str, str]:
        """Use up the day's or the minute's requests of every token."""
        scope = Violation.DAY if order.scope == "day" else Violation.MINUTE
        for account in upstream.accounts():
            account.requests.exhaust(scope, datetime.now(UTC))
        return {"exhausted": order.scope}

    @router.post("/limits")
    async def limits(order: Limits) -> Plan:
        """Change what the plan allows, from now on."""
        for name, value in order.model_dump(exclude_unset=True).items():
            if value is not None or name == "over_code":
                setattr(upstream.plan, name, value)
        return upstream.plan


def _add_bursts(
    router: APIRouter, upstream: Upstream, market: Callable[[], Market], tasks: asyncio.TaskGroup
) -> None:
    bursts: list[Burst] = []

    @router.post("/burst")
    async def burst(order: AskedBurst) -> Burst:
        """Send exactly so many frames, and answer when they are sent unless told not to wait."""
        if order.channel not in MAKERS:
            raise HTTPException(422, f"bursts are made of {', '.join(MAKERS)}")
        asked = Burst(len(bursts) + 1, order.channel, order.count, order.rate)
        bursts.append(asked)
        running = run_burst(
            upstream, market(), asked, ticker=order.ticker, lossless=order.lossless,
            prepared=order.prepared,
        )  # fmt: skip
        if order.wait:
            await running
        else:
            tasks.create_task(running, name=f"burst-{asked.number}")
        return asked

    @router.get("/bursts")
    async def all_bursts() -> list[Burst]:
        """Return every burst so far."""
        return bursts


def _add_overview(router: APIRouter, upstream: Upstream) -> None:
    @router.get("/state")
    async def state() -> dict[str, Any]:
        """Return connections, what was sent, and violations."""
        return overview(upstream)

    @router.get("/history")
    async def sockets_and_violations() -> dict[str, Any]:
        """Return every socket and every violation, with times."""
        return history(upstream)

    @router.post("/pause")
    async def pause(order: Switch) -> dict[str, bool]:
        """Silence the sources; bursts and acks go on."""
        upstream.paused = order.on
        return {"paused": upstream.paused}

    @router.post("/reset")
    async def reset() -> dict[str, Any]:
        """Disarm every fault and forget violations and counters; connections stay."""
        upstream.reset()
        return overview(upstream)


def _targets(upstream: Upstream, number: int | None) -> list[Connection]:
    if number is None:
        return list(upstream.connections.values())
    if number not in upstream.connections:
        raise HTTPException(404, f"no connection {number}")
    return [upstream.connections[number]]


def _each(upstream: Upstream, order: Targeted, act: Callable[[Connection], None]) -> dict[str, int]:
    connections = _targets(upstream, order.connection)
    for connection in connections:
        act(connection)
    return {"connections": len(connections)}
