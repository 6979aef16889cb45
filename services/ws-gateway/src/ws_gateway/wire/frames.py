"""Ready WebSocket frames (RFC 6455, server to client: whole, unmasked, uncompressed). Pure.

A frame made here is written to any number of sockets, next to others in one buffer.
"""

from __future__ import annotations

_TEXT = 0x81
_CLOSE = 0x88
_SHORT, _MEDIUM = 126, 1 << 16
_CLOSE_WORDS = 123

PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """Return the frame that carries *payload*, which is UTF-8; nothing to say is no frame."""
    size = len(payload)
    if not size:
        return b""
    if size < _SHORT:
        return bytes((_TEXT, size)) + payload
    if size < _MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a conversation; the reason is cut to what a control frame holds."""
    payload = code.to_bytes(2) + close_words(reason).encode()
    return bytes((_CLOSE, len(payload))) + payload


def close_words(reason: str) -> str:
    """Return as much of *reason* as a close frame holds."""
    return reason.encode()[:_CLOSE_WORDS].decode(errors="ignore")
