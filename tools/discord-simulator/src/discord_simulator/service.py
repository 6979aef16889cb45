"""The simulator as a service: one guild behind one port."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from baleen_runtime.health import Health
from baleen_runtime.operator import operator_routes
from baleen_runtime.serve import listen_on, serve
from discord_simulator.control import control_routes, page_routes
from discord_simulator.front import Cuttable, Front
from discord_simulator.guild import Guild
from discord_simulator.limits import Figures
from discord_simulator.record import Record
from discord_simulator.settings import Settings
from discord_simulator.webhooks import Webhooks

log = structlog.get_logger(__name__)


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Be Discord until *stop* is set.

    Args:
        settings: what to be.
        stop: set by the owner.
        on_listening: told the port when connections are accepted.

    Raises:
        PortBusy: another program listens on the port.
    """
    sock = listen_on(settings.host, settings.port, variable="DISCORD_SIMULATOR_PORT")
    record = Record(settings.keep, re.compile(settings.mark))
    guild = Guild(Webhooks(settings.webhooks), _figures(settings), record, ban_after=settings.ban_after)
    others = FastAPI(title="discord-simulator", openapi_url=None)
    others.include_router(page_routes(guild))
    others.include_router(control_routes(guild, time.time))
    others.include_router(operator_routes(Health("discord-simulator"), CollectorRegistry()))
    front = Front(guild, others, latency=settings.latency, max_body=settings.max_body_bytes)
    log.info("pretending to be Discord", webhooks=[webhook.name for webhook in guild.webhooks])
    await serve(
        front,
        sockets=[sock],
        stop=stop,
        on_listening=on_listening,
        grace=1,
        ws="none",
        http=Cuttable,
    )
    log.info("leaving as asked", said=record.counts["said"])


def _figures(settings: Settings) -> Figures:
    scale = settings.limits_scale
    return Figures(
        webhook_limit=settings.webhook_limit,
        webhook_window=settings.webhook_window * scale,
        channel_limit=settings.channel_limit,
        channel_window=settings.channel_window * scale,
        global_limit=settings.global_limit,
        global_window=scale,
    )
