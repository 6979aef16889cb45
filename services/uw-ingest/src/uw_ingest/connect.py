"""One upstream socket: opens it, hands over each text frame's bytes, says when it is gone.

The thinnest shell that can be: a callback per frame and no task. Its errors carry a status or a kind of
failure and nothing upstream or the network said, since either may quote the URL, which holds the token.
"""

import asyncio
import ssl
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

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Remember the socket."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand on a text frame; everything else is rare."""
        if frame.msg_type == _TEXT and frame.fin:
            self._on_text(frame.get_payload_as_bytes())
        else:
            self._rare(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Say that the socket is gone, once."""
        self._transport, self._gone = None, transport
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


async def open_line(url: str, ears: Ears) -> Line:
    """Open a socket to upstream.

    Raises:
        NotEntitled: the token has no right to the socket.
        ConnectFailed: anything else; the text says what kind of failure and nothing more.
    """
    try:
        async with asyncio.timeout(OPEN_WITHIN):
            _, line = await ws_connect(
                lambda: Line(ears),
                url,
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
    except WSHandshakeError as error:
        raise _refused(error) from None
    except TimeoutError:
        raise ConnectFailed("timed out") from None
    except ssl.SSLError:
        raise ConnectFailed("TLS failed") from None
    except (OSError, WSError, ValueError) as error:
        raise ConnectFailed(f"cannot connect ({type(error).__name__})") from None
    if not isinstance(line, Line):  # the library's way to say that the peer left during the handshake
        raise ConnectFailed("closed during the handshake")
    return line


def _refused(error: WSHandshakeError) -> ConnectFailed:
    status = int(error.response.status) if error.response is not None else None
    body = bytes(error.raw_body or b"").lower()
    if status == 401 and b"scope" in body:  # noqa: PLR2004 - HTTP
        return NotEntitled("the token does not have the websocket scope")
    return ConnectFailed(f"handshake refused ({status or 'no status'})")
