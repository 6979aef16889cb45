"""Reads a request's body: bounded in size and in time, whatever comes and however slowly."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncGenerator, Coroutine, Generator
from functools import partial
from typing import Any

from starlette.requests import Request

from alert_bridge.errors import Encoded, TooLarge, TooSlow, Unreadable

LINGER_BYTES = 32 * 1024 * 1024
LINGER_SECONDS = 5.0
"""How much of a refused body is still heard, so that its sender reads why: one that is hung up on while it
writes sees a broken connection instead of the answer."""


async def chunks_up_to(request: Request, limit: int, within: float) -> AsyncGenerator[bytes, None]:
    """The request's body, piece by piece.

    Raises:
        Encoded: it is compressed.
        TooLarge: it is longer than *limit* bytes; nothing beyond is kept.
        TooSlow: it did not end within so many seconds.
        Unreadable: the sender hung up before its end.
    """
    _refuse_by_head(request, limit)
    deadline = asyncio.get_running_loop().time() + within
    got = 0
    more = True
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                chunk, more = await _next(request)
        except TimeoutError:
            raise _too_slow(within) from None
        got += len(chunk)
        if got > limit:
            raise _too_large(limit)
        if chunk:
            yield chunk


async def body_up_to(request: Request, limit: int, within: float) -> bytes:
    """The request's whole body; raises as `chunks_up_to`."""
    _refuse_by_head(request, limit)
    first = _next(request)
    heard, awaited = _begun(first)
    if heard is not None and not heard[1] and len(heard[0]) <= limit:
        return heard[0]  # as nearly always: it came along with the head, and no clock is needed
    try:
        async with asyncio.timeout(within):
            body, more = heard or await _resumed(first, awaited)
            pieces, got = [body], len(body)
            while more and got <= limit:
                piece, more = await _next(request)
                pieces.append(piece)
                got += len(piece)
    except TimeoutError:
        raise _too_slow(within) from None
    if got > limit:
        raise _too_large(limit)
    return b"".join(pieces)


async def let_go(request: Request) -> bool:
    """Hear the rest of a body that nobody wants, for a while; whether it ended.

    A sender that waits to be asked for its body is not asked.
    """
    if _ended(request):
        return True
    if request.headers.get("expect") and "body_ended" not in request.scope:
        return False
    heard = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while not _ended(request) and heard <= LINGER_BYTES:
                heard += len((await _next(request))[0])
    except (TimeoutError, Unreadable):
        return False
    return _ended(request)


async def _next(request: Request) -> tuple[bytes, bool]:
    """The next piece, and whether there are more."""
    message = await request.receive()
    if message["type"] != "http.request":
        raise Unreadable("the sender hung up")
    more = bool(message.get("more_body", False))
    request.scope["body_ended"] = not more
    return message.get("body", b""), more


_Piece = tuple[bytes, bool]


def _begun(hearing: Coroutine[Any, Any, _Piece]) -> tuple[_Piece | None, Any]:
    """What *hearing* gives at once; else None and what it waits for."""
    try:
        return None, hearing.send(None)
    except StopIteration as heard:
        return heard.value, None


@types.coroutine
def _resumed(hearing: Coroutine[Any, Any, _Piece], awaited: Any) -> Generator[Any, Any, _Piece]:
    """The rest of *hearing*, which has begun and waits."""
    while True:
        try:
            told = yield awaited
        except BaseException as error:  # noqa: BLE001 - it is not for us: above all a cancellation
            go_on = partial(hearing.throw, error)
        else:
            go_on = partial(hearing.send, told)
        try:
            awaited = go_on()
        except StopIteration as heard:
            piece: _Piece = heard.value
            return piece


def _ended(request: Request) -> bool:
    if request.scope.get("body_ended"):
        return True
    headers = request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


def _refuse_by_head(request: Request, limit: int) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", ""}:
        raise Encoded("compressed bodies are not taken: send it without Content-Encoding")
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is over {limit} bytes")


def _too_slow(within: float) -> TooSlow:
    return TooSlow(f"the body did not end within {within:g} seconds")
