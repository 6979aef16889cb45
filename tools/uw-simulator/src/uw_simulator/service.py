"""The simulator as a service: sources feed the upstream, sockets and REST drink from it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, partial
from hashlib import blake2b
from random import Random
from uuid import UUID, uuid4

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from baleen_runtime.health import Health
from baleen_runtime.lifecycle import StopRequested, leave_when
from baleen_runtime.operator import operator_routes
from baleen_runtime.serve import listen_on, serve
from uw_simulator.book import Book
from uw_simulator.control import control_routes
from uw_simulator.demo import publish_demo
from uw_simulator.journal import Journal
from uw_simulator.market.market import Market
from uw_simulator.recordings import recording
from uw_simulator.replay import Recorded, Samples
from uw_simulator.replay_control import replay_routes
from uw_simulator.rest import add_rest_routes
from uw_simulator.samples import socket_frames
from uw_simulator.settings import Settings
from uw_simulator.socket import protocol_factory
from uw_simulator.sources import Source
from uw_simulator.stage import Stage
from uw_simulator.synthetic import Synthetic, Tempo
from uw_simulator.tables import Tables
from uw_simulator.upstream import Upstream

log = structlog.get_logger(__name__)

_TICK = 0.005
_BESIDE_THE_MARKET = (
    "contract_screener", "custom_alerts", "flow-alerts", "interpolated_iv", "iv_term_structure",
    "option_trades", "periscope",
)  # fmt: skip
"""Captured files that do not contradict a synthetic market's levels when both are told."""
_MIXED_SLOWER = 2


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Be the upstream until *stop* is set.

    Args:
        settings: what to be.
        stop: set by the owner.
        on_listening: told the port when connections are accepted.

    Raises:
        PortBusy: another program listens on the port.
    """
    sock = listen_on(settings.host, settings.port, variable="UW_SIMULATOR_PORT")
    book = Book()
    journal = Journal(settings.journal, settings.journal_mib * 2**20) if settings.journal else None
    chance = Random(settings.seed)  # noqa: S311 - delays and losses, not secrets
    upstream = Upstream(settings, chance, book=book, journal=journal)
    health = Health("uw-simulator")
    synthetic = cache(  # made when first needed: a quiet simulator starts in no time
        partial(Synthetic, _market_maker(settings), _tempo(settings), book, time.time(), _exchange(settings))
    )
    plays_market = settings.source in ("mix", "synthetic")
    tables = Tables(book, lambda: synthetic().market if plays_market else None, lambda: datetime.now(UTC))
    stage = Stage([*([synthetic()] if plays_market else []), *_replays(settings, upstream)])
    try:
        async with asyncio.TaskGroup() as tasks:
            app = FastAPI(title="uw-simulator", openapi_url=None)
            app.include_router(control_routes(upstream, lambda: synthetic().market, tasks))
            app.include_router(replay_routes(upstream, stage, fresh_identities))
            app.include_router(operator_routes(health, CollectorRegistry()))
            add_rest_routes(app, upstream, tables)
            tasks.create_task(pump(upstream, stage), name="pump")
            if settings.demo_publishers:
                tasks.create_task(publish_demo(settings, lambda: synthetic().market), name="demo-publishers")
            serving = serve(
                app,
                sockets=[sock],
                stop=stop,
                on_listening=on_listening,
                grace=1,
                ws=protocol_factory(upstream),
            )
            tasks.create_task(serving, name="serve")
            log.info("pretending to be the upstream", source=settings.source, hours=settings.hours)
            tasks.create_task(leave_when(stop), name="stop-watch")
    except* StopRequested:
        log.info("leaving as asked")
    finally:
        if journal is not None:
            journal.close()


async def pump(upstream: Upstream, stage: Stage) -> None:
    """Step who speaks and flush what was said, for ever."""
    while True:
        if not upstream.paused:
            stage.step(time.time(), upstream)
        upstream.flush()
        await asyncio.sleep(_TICK)


def _market_maker(settings: Settings) -> Callable[[date], Market]:
    def make(today: date) -> Market:
        run_id = uuid4().hex
        prefix = f"{run_id[:8]}-{run_id[8:12]}-4{run_id[13:16]}-8{run_id[17:20]}-"
        return Market(chance=Random(settings.seed), today=today, id_prefix=prefix)  # noqa: S311 - no secret

    return make


def _tempo(settings: Settings) -> Tempo:
    return Tempo(
        option_trades=settings.rate,
        flow_alerts=settings.flow_alert_rate,
        lit_trades=settings.lit_rate,
        off_lit_trades=settings.off_lit_rate,
        price=settings.price_every,
        gex=settings.gex_every,
        gex_strikes=settings.gex_strike_every,
        congress=settings.congress_every,
        speed=settings.speed,
        whole_day=settings.whole_day,
    )


def _exchange(settings: Settings) -> Callable[[float], bool]:
    """Return what tells whether the exchange is open at an epoch second."""
    if settings.hours == "open":
        return lambda _now: True
    import exchange_calendars  # noqa: PLC0415 - takes a second to load, and only this setting needs it

    calendar = exchange_calendars.get_calendar("XNYS")
    known: dict[int, bool] = {}

    def is_open(now: float) -> bool:
        minute = int(now // 60)
        if minute not in known:
            known.clear()
            known[minute] = bool(calendar.is_open_on_minute(datetime.fromtimestamp(minute * 60, UTC)))
        return known[minute]

    return is_open


def fresh_identities() -> Callable[[int, str], str]:
    """Return what makes new identities from (loop, old one), the same for the same within this run only."""
    run_id = os.urandom(8)

    def fresh(loop: int, old: str) -> str:
        digest = blake2b(f"{loop}:{old}".encode(), key=run_id, digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    return fresh


def _replays(settings: Settings, upstream: Upstream) -> list[Source]:
    fresh = fresh_identities()
    if settings.source == "recorded":
        if settings.recording is None:
            raise ValueError(
                "source recorded needs UW_SIMULATOR_RECORDING, JSON lines {at, frame} or a folder"
            )
        frames = recording([settings.recording])
        ready = upstream.listened_to
        return [
            Recorded(
                frames, settings.speed, fresh, verbatim=settings.verbatim, once=settings.once, ready=ready
            )
        ]
    if settings.source in ("mix", "samples"):
        captured = socket_frames()
        if settings.source == "mix":
            captured = {name: captured[name] for name in _BESIDE_THE_MARKET}
        period = settings.sample_every * (_MIXED_SLOWER if settings.source == "mix" else 1)
        return [Samples(captured, period, fresh, verbatim=settings.verbatim)]
    return []
