"""The client side of RFC 6455 that a load generator needs: handshake and masked frames.  Pure."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlsplit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = base64.b64encode(b"baleen-bench-key")
_ACCEPT = base64.b64encode(hashlib.sha1(_KEY + _GUID).digest())  # noqa: S324 - the protocol's own hash
_MASK = b"\x11\x22\x33\x44"

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class HandshakeRefusedError(Exception):
    """The server answered the upgrade with something else than 101."""


def address(url: str) -> tuple[str, int]:
    """Host and port of a ``ws://`` URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def upgrade_request(url: str, subprotocol: str | None, extensions: str | None = None) -> bytes:
    """The opening request of a client that offers *extensions*, if any."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def take_upgrade_answer(received: bytes) -> bytes | None:
    """What follows the server's 101, or None while its head is incomplete.

    Raises:
        HandshakeRefusedError: another status, or a wrong accept key.
    """
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None
    if not head.startswith(b"HTTP/1.1 101"):
        raise HandshakeRefusedError(head.split(b"\r\n", 1)[0].decode("latin-1"))
    if _ACCEPT not in head:
        raise HandshakeRefusedError("wrong Sec-WebSocket-Accept")
    return rest


def masked(opcode: int, payload: bytes) -> bytes:
    """One final client frame; the mask is constant, which no server on this machine minds."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    key = int.from_bytes((_MASK * (size // 4 + 1))[:size], "big")
    return head + _MASK + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def server_frame(opcode: int, payload: bytes) -> bytes:
    """One final frame as a server sends it (for the generator's own test partner)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload
