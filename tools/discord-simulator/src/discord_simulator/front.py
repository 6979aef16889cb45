"""The HTTP edge: requests become what the guild is asked, and its replies become answers, or none."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from baleen_runtime.request_head import BoundedHead
from discord_simulator.errors import Gone
from discord_simulator.faults import Kind
from discord_simulator.guild import UNVERSIONED, Ask, Guild, Reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PATH = re.compile(r"/api(?:/v(\d{1,3}))?/webhooks/(\d{1,20})/([^/]+)(?:/messages/(\d{1,20}))?")
_METHODS = {False: ("GET", "POST"), True: ("GET", "PATCH", "DELETE")}
_CUT = "discord_simulator.cut"
_AT_ONCE = struct.pack("ii", 1, 0)


class Cuttable(BoundedHead):
    """A connection that can be cut in the middle: the other end sees a reset."""

    def on_message_begin(self) -> None:
        """Hand the way to cut it to whoever answers."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[_CUT] = self._cut

    def _cut(self) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()


class Front:
    """Answers the webhook API, and leaves every other path to *others*.

    Args:
        guild: decides.
        others: pages and control.
        latency: seconds that every answer takes.
        max_body: bytes; more are refused.
    """

    def __init__(self, guild: Guild, others: App, *, latency: float, max_body: int) -> None:
        self._guild = guild
        self._others = others
        self._latency = latency
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._others(scope, receive, send)
            return
        found = _PATH.fullmatch(scope["path"])
        if found is None or scope["method"] not in _METHODS[found[4] is not None]:
            status, words = (404, "404: Not Found") if found is None else (405, "405: Method Not Allowed")
            await _send(send, Reply(status, orjson.dumps({"message": words, "code": 0})))
            return
        try:
            body = await _body(receive, self._max_body)
        except Gone:
            return  # half a message is none
        if body is None:
            refusal = orjson.dumps({"message": "Request entity too large", "code": 40005})
            await _send(send, Reply(413, refusal, {"Connection": "close"}))
            return
        reply = self._guild.answer(_ask(scope, found, body), time.time())
        await self._answer(reply, scope, receive, send)

    async def _answer(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        if reply.kind is Kind.TAKEN_SILENCE:
            await _gone(receive)
        elif reply.kind is not None:
            scope[_CUT]()
            await _gone(receive)
        else:
            if self._latency + reply.late:
                await asyncio.sleep(self._latency + reply.late)
            await _send(send, reply)


def _ask(scope: Scope, found: re.Match[str], body: bytes) -> Ask:
    version, webhook_id, token, message_id = found.groups()
    headers = dict(scope["headers"])
    return Ask(
        method=scope["method"],
        version=int(version) if version else UNVERSIONED,
        webhook_id=webhook_id,
        token=token,
        address=scope["client"][0] if scope.get("client") else "",
        message_id=message_id,
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        body=body,
        agent=bool(headers.get(b"user-agent", b"").strip()),
    )


async def _body(receive: Receive, most: int) -> bytes | None:
    """The whole body; None if it is longer than *most* bytes.

    Raises:
        Gone: the other end left before it was whole.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Wait until the other end is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, reply: Reply) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.status != 204:  # noqa: PLR2004 - no content
        headers.append((b"content-type", reply.content_type.encode()))
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
