"""Frames made smaller (RFC 7692), each once for all who can read them so.

No context is taken over from one message to the next, in either direction: a frame then means the same to
every client, and a connection keeps no window. Small frames stay as they are.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from websockets.extensions import Extension

    from ws_gateway.wire.parcel import Parcel

LEVEL: Final = 1
WINDOW_BITS: Final = 12
"""A window of 4 KiB: as large as messages are, and quick to begin anew."""
_MEMORY: Final = 5
_TAIL: Final = b"\x00\x00\xff\xff"
_TEXT_DEFLATED: Final = 0xC1
_SHORT, _MEDIUM = 126, 1 << 16


def negotiation() -> ServerPerMessageDeflateFactory:
    """Return what answers a client's offer: yes, and nobody takes over a context."""
    return ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)


def is_agreed(extensions: Iterable[Extension]) -> bool:
    """Return whether a client that agreed to *extensions* can read what a `Packer` packs."""
    return any(
        isinstance(extension, PerMessageDeflate)
        and extension.local_no_context_takeover
        and extension.local_max_window_bits >= WINDOW_BITS
        for extension in extensions
    )


class Packer:
    """Makes frames smaller; one for all clients."""

    def __init__(self, least: int) -> None:
        """Pack frames of *least* bytes and more."""
        self._least = least
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, _MEMORY)

    def packed(self, parcel: Parcel) -> bytes:
        """Return the frame that says the same to clients that agreed, made once."""
        packed = parcel.packed
        if packed is None:
            packed = parcel.packed = self.pack(parcel) if len(parcel) >= self._least else bytes(parcel)
        return packed

    def pack(self, frame: bytes) -> bytes:
        """Return the ready frame *frame*, deflated if that makes it smaller."""
        size = frame[1]
        payload = memoryview(frame)[2 if size < _SHORT else 4 if size == _SHORT else 10 :]
        # A full flush forgets all that went before, so that each message can be read without the others.
        deflated = self._compressor.compress(payload) + self._compressor.flush(zlib.Z_FULL_FLUSH)
        deflated = deflated.removesuffix(_TAIL)
        size = len(deflated)
        if size >= len(payload):
            return frame
        if size < _SHORT:
            return bytes((_TEXT_DEFLATED, size)) + deflated
        if size < _MEDIUM:
            return bytes((_TEXT_DEFLATED, _SHORT)) + size.to_bytes(2) + deflated
        return bytes((_TEXT_DEFLATED, _SHORT + 1)) + size.to_bytes(8) + deflated
