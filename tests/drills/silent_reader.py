"""Clients of the native protocol that subscribe to much and then read nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack
from threading import Event, Thread

from tests.drills.site import LOOPBACK, Site
from websockets.asyncio.client import connect

READERS = 3
FRAMES = 60_000
FRAMES_A_SECOND = 400
"""What the kernel keeps for a socket is full within seconds; what upstream says by itself needs minutes."""
ROOM = 4_096
"""Bytes that the client's side of the socket holds, at most: the rest waits at the gateway."""


def silent_readers(site: Site, closing: ExitStack) -> None:
    """Connect some, let them be silent until the stack closes, and have upstream say much meanwhile."""
    enough = Event()
    thread = Thread(target=lambda: asyncio.run(_all(site.plan.ports.gateway, enough)), daemon=True)
    thread.start()
    closing.callback(thread.join, 20)
    closing.callback(enough.set)
    site.order("burst", count=FRAMES, rate=FRAMES_A_SECOND, wait=False)


async def _all(port: int, enough: Event) -> None:
    readers = [asyncio.create_task(_be_silent(port)) for _ in range(READERS)]
    await asyncio.to_thread(enough.wait)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def _be_silent(port: int) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
    address = f"ws://{LOOPBACK}:{port}/v1/stream"
    async with connect(
        address, sock=sock, compression=None, max_queue=1, ping_interval=None, close_timeout=1
    ) as line:
        await line.send(json.dumps({"op": "subscribe", "id": 1, "topics": ["uw.v1.>"]}))
        await asyncio.Event().wait()
