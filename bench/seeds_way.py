"""The yardstick: fan-out as it is usually written, one ``await send_text`` per client and message.

A FastAPI application subscribes to the bus and walks its list of sockets for each message.  A client says
first which topics it wants, as JSON.  Nothing here is tuned down: uvicorn, uvloop, no compression, and the
text is made once per message.
"""

from __future__ import annotations

import argparse
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from nats.aio.msg import Msg


class ConnectionManager:
    """Who is connected, and what they want."""

    def __init__(self) -> None:
        self.everything: list[WebSocket] = []
        self.wanting: dict[str, list[WebSocket]] = {}

    def connect(self, websocket: WebSocket, topics: list[str]) -> None:
        """Remember *websocket* under each of its topics."""
        for topic in topics:
            group = self.everything if topic.endswith("*") else self.wanting.setdefault(topic, [])
            group.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        """Forget *websocket*."""
        for group in (self.everything, *self.wanting.values()):
            if websocket in group:
                group.remove(websocket)

    async def broadcast(self, topic: str, text: str) -> None:
        """Send *text* to everybody who wants *topic*, one after another."""
        for websocket in [*self.everything, *self.wanting.get(topic, ())]:
            try:
                await websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                self.disconnect(websocket)


def application(nats_url: str) -> FastAPI:
    """The service: one socket route, one subscription."""
    manager = ConnectionManager()

    async def forward(message: Msg) -> None:
        await manager.broadcast(message.subject, message.data.decode())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        client = await nats.connect(nats_url)
        await client.subscribe("signal.v1.*", cb=forward)
        yield
        await client.close()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        manager.connect(websocket, json.loads(await websocket.receive_text()))
        await websocket.send_text('{"type":"connected"}')
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            manager.disconnect(websocket)

    return app


class _Server(uvicorn.Server):
    """uvicorn that says which port it got."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"listening": port}), flush=True)


def main() -> None:
    """Serve on a free port until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.seeds_way", description="The usual way to fan out."
    )
    parser.add_argument("--url", required=True, help="nats://host:port")
    options = parser.parse_args()
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # it logs a traceback per message it drops
    config = uvicorn.Config(
        application(options.url), host="127.0.0.1", port=0, log_level="error", backlog=4096
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
