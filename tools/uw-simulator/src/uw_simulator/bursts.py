"""Exact numbers of frames on demand, at a rate: what benchmarks and load tests are fed with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from uw_simulator.market.market import Market
from uw_simulator.upstream import Upstream

_TURN = 1_000
"""Most frames between two writes, so that acks and pings are not kept waiting."""

Frame = tuple[str, str | None, bytes]
Maker = Callable[[Market, str, int], Frame]

MAKERS: dict[str, Maker] = {
    "option_trades": lambda market, _ticker, now_ms: ("option_trades", *market.option_trade(now_ms)),
    "flow-alerts": lambda market, _ticker, now_ms: ("flow-alerts", None, market.flow_alert(now_ms).payload),
    "lit_trades": lambda market, ticker, now_ms: _equity(market, ticker, now_ms, lit=True),
    "off_lit_trades": lambda market, ticker, now_ms: _equity(market, ticker, now_ms, lit=False),
    "price": lambda market, ticker, now_ms: ("price", ticker, market.price(ticker, now_ms)),
    "gex": lambda market, ticker, now_ms: ("gex", ticker, market.gex(ticker, now_ms)),
    "news": lambda market, _ticker, now_ms: ("news", None, market.news(now_ms)[0]),
    "trading_halts": lambda market, _ticker, now_ms: ("trading_halts", None, market.halt(now_ms)),
}
"""How one frame of each kind is made; the ticker matters where a channel speaks of one at a time."""


@dataclass(slots=True)
class Burst:
    """A burst that runs or has run."""

    number: int
    channel: str
    asked: int
    rate: float
    sent: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of this process, while it ran."""
    done: bool = False


async def run_burst(
    upstream: Upstream, market: Market, burst: Burst, *, ticker: str, lossless: bool, prepared: bool = False
) -> None:
    """Send exactly `burst.asked` frames at `burst.rate` a second, as far as this machine can.

    Args:
        upstream: who sends them.
        market: who makes them.
        burst: what is asked; its counters are kept up to date.
        ticker: whom the frames are about, for kinds that need one.
        lossless: wait for readers that lag instead of dropping their frames.
        prepared: make every frame before the first is sent, so that sending costs next to nothing.
    """
    frames = _frames(market, burst.channel, ticker)
    if prepared:
        frames = iter([frame async for frame in _patiently(frames, burst.asked)])
    started, busy = time.perf_counter(), time.process_time()
    while burst.sent < burst.asked:
        due = min(burst.asked, int((time.perf_counter() - started) * burst.rate) + 1) - burst.sent
        for _ in range(min(due, _TURN)):
            upstream.emit(*next(frames))
        burst.sent += min(due, _TURN)
        upstream.flush()
        await asyncio.sleep(0.001 if due < _TURN else 0)
        while lossless and _lagging(upstream):  # noqa: ASYNC110 - a socket buffer has no event either
            await asyncio.sleep(0.001)
    burst.seconds = time.perf_counter() - started
    burst.cpu_seconds = time.process_time() - busy
    burst.done = True


def _frames(market: Market, channel: str, ticker: str) -> Iterator[Frame]:
    maker = MAKERS[channel]
    last_ms = 0
    while True:
        now_ms = int(time.time() * 1000)
        if channel in ("price", "gex"):  # their identity is the ticker and the time: no two alike
            now_ms = max(now_ms, last_ms + 1)
        last_ms = now_ms
        yield maker(market, ticker, now_ms)


async def _patiently(frames: Iterator[Frame], count: int) -> AsyncIterator[Frame]:
    """Take *count* frames, letting other tasks have their turn now and then."""
    for number in range(count):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        yield next(frames)


def _lagging(upstream: Upstream) -> bool:
    most = upstream.settings.backlog_bytes // 2
    return any(connection.wire.backlog() > most for connection in upstream.connections.values())


def _equity(market: Market, ticker: str, now_ms: int, *, lit: bool) -> Frame:
    symbol, payload = market.equity_print(now_ms, lit=lit, symbol=ticker)
    return "lit_trades" if lit else "off_lit_trades", symbol, payload
