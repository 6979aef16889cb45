"""One upstream socket: opens it, hands over each text frame's bytes, says when it is gone.

The thinnest shell that can be: a callback per frame and no task. Its errors carry a status or a kind of
failure and nothing upstream or the network said, since either may quote the URL, which holds the token.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from picows.url import WSParsedURL

from uw_ingest.errors import ConnectFailed, NotEntitled
from uw_ingest.refusals import Refusal

HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Baleen/0.1)", "UW-CLIENT-API-ID": "100001"}
"""Upstream's front door turns library agents away."""

OPEN_WITHIN = 10.0  # seconds for name, TCP, TLS and handshake together
PING_AFTER = 20.0  # seconds without a frame
PONG_WITHIN = 10.0
_LARGEST = 16 << 20  # bytes; beyond this the peer is not upstream any more and the socket is closed
_FRAGMENTS_LARGEST = 1 << 21  # bytes of a fragmented text; a larger one is dropped and the socket lives on
_FRAGMENTS_MOST = 4_096  # a text in more pieces has no end, and the socket is closed
_TEXT = WSMsgType.TEXT
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # a linger of no time


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears what from a line."""

    on_text: Callable[[bytes], None]
    on_refused: Callable[[Refusal], None]
    on_closed: Callable[[str], None]


def socket_url(upstream: str, token: str) -> str:
    """Return the address of upstream's socket, which carries the token: never show it."""
    parts = urlsplit(upstream)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/") + "/socket"
    return urlunsplit((scheme, parts.netloc, path, f"token={quote(token, safe='')}", ""))


class Line(WSListener):
    """A socket that is open. Frames arrive through :class:`Ears`, on the event loop."""

    def __init__(self, ears: Ears) -> None:
        """Listen with these ears; the socket is opened by :func:`open_line`."""
        super().__init__()
        self._ears = ears
        self._on_text = ears.on_text
        self._parts: list[bytes] = []
        self._pieces = self._size = 0  # of the fragmented text that is being received
        self._transport: WSTransport | None = None
        self._gone: WSTransport | None = None
        self._why = "lost"
        self._abandoned = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Remember the socket; one that nobody waits for any more is closed at once."""
        self._transport = transport
        if self._abandoned:
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand on a text frame; everything else is rare."""
        if frame.msg_type == _TEXT and frame.fin:
            self._on_text(frame.get_payload_as_bytes())
        else:
            self._rare(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Say that the socket is gone, once."""
        self._transport, self._gone = None, transport
        if not self._abandoned:
            self._ears.on_closed(self._why)

    def send(self, text: str) -> None:
        """Send a TEXT frame; on a socket that is gone this does nothing."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, text.encode())

    def hang_up(self, reason: str) -> None:
        """Close the socket politely; ``on_closed`` follows with this reason."""
        self._why = reason
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect(graceful=False)

    def abandon(self) -> None:
        """Close the socket, now or as soon as it opens; the ears hear nothing any more."""
        self._abandoned, self._on_text = True, _unheard
        self.hang_up("abandoned")

    async def autopsy(self) -> Refusal | None:
        """Say which frame killed the socket, if one did. To be asked once it is gone."""
        if self._gone is None:
            return None
        try:
            await self._gone.wait_disconnected()
        except WSProtocolError as error:
            too_big = error.code == WSCloseCode.MESSAGE_TOO_BIG
            return Refusal.OVERSIZED if too_big else Refusal.NOT_WEBSOCKET
        return None

    def _rare(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self._why = f"closed by upstream ({'no code' if code is None else code.value})"
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.BINARY:
            self._ears.on_refused(Refusal.NOT_TEXT)
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._fragment(frame)

    def _fragment(self, frame: WSFrame) -> None:
        """Collect a fragmented text; too large a one is dropped, an endless one hung up on."""
        piece = frame.get_payload_as_bytes()
        self._pieces += 1
        self._size += len(piece)
        if self._pieces > _FRAGMENTS_MOST:
            if self._pieces == _FRAGMENTS_MOST + 1:
                self._parts.clear()
                self._ears.on_refused(Refusal.OVERSIZED)
                self.hang_up("a text without an end")
            return
        if self._size > _FRAGMENTS_LARGEST:
            self._parts.clear()
        else:
            self._parts.append(piece)
        if not frame.fin:
            return
        whole, too_large = b"".join(self._parts), self._size > _FRAGMENTS_LARGEST
        self._parts, self._pieces, self._size = [], 0, 0
        if too_large:
            self._ears.on_refused(Refusal.OVERSIZED)
        else:
            self._on_text(whole)


class _Attempt:
    """One attempt to open a line, which leaves no socket behind when it is given up.

    The library keeps an unfinished handshake to itself and lets it finish when its caller is cancelled. So
    the attempt connects by itself and remembers the socket.
    """

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._line: Line | None = None
        self._socket: socket.socket | None = None
        self._given_up = False

    def line(self) -> Line:
        """Return what listens to the socket; asked for once upstream agrees to the handshake."""
        self._line = Line(self._ears)
        if self._given_up:
            self._line.abandon()
        return self._line

    async def connect(self, url: WSParsedURL) -> socket.socket:
        """Connect to the first of the name's addresses that answers."""
        loop = asyncio.get_running_loop()
        failure = OSError("the name has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(
            url.host, url.port, type=socket.SOCK_STREAM
        ):
            fresh = socket.socket(family, kind, protocol)
            try:
                fresh.setblocking(False)
                await loop.sock_connect(fresh, address)
            except OSError as error:
                fresh.close()
                failure = error
            except BaseException:
                fresh.close()
                raise
            else:
                self._socket = fresh
                return fresh
        raise failure

    def give_up(self) -> None:
        """Close what there is, and whatever may still come of it."""
        self._given_up = True
        if self._line is not None:
            self._line.abandon()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self._socket.shutdown(socket.SHUT_RDWR)  # the library, which owns it, closes it thereupon


async def open_line(url: str, ears: Ears) -> Line:
    """Open a socket to upstream. However this ends but with a line, no socket stays.

    Raises:
        NotEntitled: the token has no right to the socket.
        ConnectFailed: anything else; the text says what kind of failure and nothing more.
    """
    attempt = _Attempt(ears)
    try:
        async with asyncio.timeout(OPEN_WITHIN):
            return await _open(url, attempt)
    except BaseException as error:
        attempt.give_up()
        match error:
            case WSHandshakeError():
                raise _refused(error) from None
            case TimeoutError():
                raise ConnectFailed("timed out") from None
            case ssl.SSLError():
                raise ConnectFailed("TLS failed") from None
            case OSError() | WSError() | ValueError():
                raise ConnectFailed(f"cannot connect ({type(error).__name__})") from None
        raise


async def _open(url: str, attempt: _Attempt) -> Line:
    _, line = await ws_connect(
        attempt.line,
        url,
        socket_factory=attempt.connect,
        extra_headers=HEADERS,
        max_redirects=0,  # a redirect would carry the token to somebody else
        max_frame_size=_LARGEST,
        enable_auto_ping=True,
        auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
        auto_ping_idle_timeout=PING_AFTER,
        auto_ping_reply_timeout=PONG_WITHIN,
        enable_auto_pong=True,
        websocket_handshake_timeout=OPEN_WITHIN,
    )
    if not isinstance(line, Line):  # the library's way to say that the peer left during the handshake
        raise ConnectFailed("closed during the handshake")
    return line


def _unheard(_body: bytes) -> None:
    """Hear nothing."""


def _refused(error: WSHandshakeError) -> ConnectFailed:
    status = int(error.response.status) if error.response is not None else None
    body = bytes(error.raw_body or b"").lower()
    if status == 401 and b"scope" in body:  # noqa: PLR2004 - HTTP
        return NotEntitled("the token does not have the websocket scope")
    return ConnectFailed(f"handshake refused ({status or 'no status'})")
