"""How fast the simulator talks: one in a process of its own, and readers in this one that only count."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from functools import partial

from uw_simulator.testing import AGENT, TOKEN, Simulator

_JOIN = b'{"channel":"option_trades","msg_type":"join"}'
_MEDIUM, _LARGE = 126, 127  # RFC 6455: how a length is said
_SETTLE = 30.0


class Counter(asyncio.Protocol):
    """A WebSocket client that joins the option tape and counts frames without looking into them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._buffer = bytearray()
        self._shaken = False
        self._transport: asyncio.Transport
        self.frames = 0
        self.octets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to shake hands."""
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /socket?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUser-Agent: {AGENT}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        )
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's promise for TCP
        self._transport = transport
        transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        """Count the whole frames in what arrived."""
        self.octets += len(data)
        buffer = self._buffer
        buffer += data
        if not self._shaken:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del buffer[: end + 4]
            self._shaken = True
            masked = bytes((0x81, 0x80 | len(_JOIN), 0, 0, 0, 0)) + _JOIN  # a mask of zeros changes nothing
            self._transport.write(masked)
        at, size = 0, len(buffer)
        while at + 2 <= size:
            length, head = buffer[at + 1] & 0x7F, 2
            if length == _MEDIUM:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif length == _LARGE:
                length, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if at + head + length > size:
                break
            at += head + length
            self.frames += 1
        del buffer[:at]


async def measure(*, count: int, rate: float, readers: int, prepared: bool) -> str:
    """Return a line that says how fast *count* option trades went to *readers* sockets, and at what cost."""
    loop = asyncio.get_running_loop()
    async with Simulator.subprocess(max_sockets=max(3, readers)) as simulator:
        counters = [Counter(simulator.port) for _ in range(readers)]
        for counter in counters:
            await loop.create_connection(partial(_itself, counter), "127.0.0.1", simulator.port)
        await _until(lambda: all(counter.frames for counter in counters))  # the acks
        mine = time.process_time()
        told = await simulator.control.burst(count=count, rate=rate, prepared=prepared)
        await _until(lambda: all(counter.frames == count + 1 for counter in counters))
        cost, counting = told["cpu_seconds"], time.process_time() - mine
        octets = counters[0].octets / count
    return (
        f"{count:,} option trades of {octets:.0f} bytes to {readers} socket(s): "
        f"{count / told['seconds']:,.0f} frames/s asked {rate:,.0f}, "
        f"simulator {cost / told['seconds']:.0%} of a core ({cost / count * 1e6:.1f} us a frame), "
        f"readers {counting / told['seconds']:.0%}"
    )


def _itself(counter: Counter) -> Counter:
    return counter


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SETTLE):
        while not condition():  # noqa: ASYNC110 - counters have no event to wait on
            await asyncio.sleep(0.01)
