"""Control and sight, under `/control` and `/`, on loopback only unless it is the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from discord_simulator.faults import Fault
from discord_simulator.guild import Guild
from discord_simulator.limits import Figures
from discord_simulator.orders import Allow, Arm, Make
from discord_simulator.page import HEADERS, page
from discord_simulator.webhooks import Webhook

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
_SHOWN = 50


async def only_loopback(request: Request) -> None:
    """Refuse anybody who is not on this machine."""
    if request.client is None or request.client.host not in _LOOPBACK:
        raise HTTPException(403, "control is for loopback only")


def control_routes(guild: Guild, clock: Callable[[], float]) -> APIRouter:
    """Return the routes that arm faults and tell what was said."""
    router = APIRouter(prefix="/control", dependencies=[Depends(only_loopback)])
    _add_sight(router, guild, clock)
    _add_orders(router, guild)
    return router


def page_routes(guild: Guild) -> APIRouter:
    """Return the page for people."""
    router = APIRouter()

    @router.get("/")
    async def newest(request: Request) -> HTMLResponse:
        """Show the newest messages."""
        base, paths = str(request.base_url).rstrip("/"), [webhook.path for webhook in guild.webhooks]
        entries = guild.record.newest(_SHOWN)
        return HTMLResponse(page(entries, guild.record.counts["said"], base, paths), headers=HEADERS)

    return router


def _add_sight(router: APIRouter, guild: Guild, clock: Callable[[], float]) -> None:
    @router.get("/messages")
    async def messages(
        channel: str | None = None,
        webhook: str | None = None,
        after: int = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> Response:
        """Return what was said, edited and deleted, in order; `next` is the `after` of the next page."""
        found: list[dict[str, Any]] = []
        for entry in guild.record.entries(channel=channel, webhook=webhook, after=after):
            if len(found) == limit:
                break
            found.append(asdict(entry))
        told = {
            "entries": found,
            "beyond": guild.record.beyond,
            "next": found[-1]["number"] if found else after,
        }
        return Response(orjson.dumps(told), media_type="application/json")

    @router.get("/state")
    async def state() -> dict[str, Any]:
        """Return counts, limits, what is armed, and how near the ban is."""
        record, now = guild.record, clock()
        return {
            "counts": dict(record.counts),
            "said": dict(record.said),
            "duplicates": dict(record.duplicates),
            "beyond": record.beyond,
            "peak_per_second": record.peak,
            "invalid_requests": guild.offences.counts(now),
            "ban_after": guild.offences.ban_after,
            "figures": asdict(guild.limits.figures),
            "armed": [asdict(fault) for fault in guild.faults.armed],
            "struck": dict(guild.faults.struck),
        }

    @router.get("/webhooks")
    async def webhooks(request: Request) -> list[dict[str, str]]:
        """Return every webhook and its URL."""
        base = str(request.base_url).rstrip("/")
        return [_told(webhook, base) for webhook in guild.webhooks]


def _add_orders(router: APIRouter, guild: Guild) -> None:
    @router.post("/faults")
    async def arm(order: Arm) -> Fault:
        """Let something go wrong."""
        if order.webhook is not None and guild.webhooks.named(order.webhook) is None:
            raise HTTPException(404, f"no webhook is called {order.webhook}")
        fault = order.fault()
        guild.faults.arm(fault)
        return fault

    @router.delete("/faults")
    async def disarm() -> dict[str, int]:
        """Let everything go well from now on."""
        armed = len(guild.faults.armed)
        guild.faults.disarm()
        return {"disarmed": armed}

    @router.post("/limits")
    async def limits(order: Allow) -> Figures:
        """Change limits; windows that have begun end as they would have."""
        for name, value in order.model_dump(exclude_none=True).items():
            setattr(guild.limits.figures, name, value)
        return guild.limits.figures

    @router.post("/webhooks")
    async def make(order: Make, request: Request) -> dict[str, str]:
        """Make a webhook, or move it to another channel."""
        return _told(guild.webhooks.add(order.name, order.channel), str(request.base_url).rstrip("/"))

    @router.post("/reset")
    async def reset() -> dict[str, bool]:
        """Disarm every fault, and forget messages, counts, windows and offences; webhooks and limits stay."""
        guild.faults.disarm()
        guild.faults.struck.clear()
        guild.record.forget()
        guild.limits.forget()
        guild.offences.forget()
        return {"ok": True}


def _told(webhook: Webhook, base: str) -> dict[str, str]:
    return {"name": webhook.name, "channel": webhook.channel, "url": base + webhook.path}
