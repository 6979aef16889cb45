"""A ledger of everything said where every record counts: one short line a record, appended to a file.

A line is ``<epoch ms> <channel> <sockets> <identity>``. The sockets are the numbers of the connections whose
outbox it went to, with commas between, or ``-`` for nobody; the identity is the one on the bus. What was
thrown away because its reader lagged is a line ``<epoch ms> ! <socket> <number of frames>``.
"""

from __future__ import annotations

from pathlib import Path

from uw_simulator.identities import message_id


class Journal:
    """Writes lines to a file, as many at once as have come together; stops when the file is large enough.

    Args:
        path: the file, made anew.
        bytes_most: how large it may become.
    """

    def __init__(self, path: Path, bytes_most: int) -> None:
        self.path, self._bytes_most = path, bytes_most
        self.lines = self.bytes = 0
        self.missing = 0
        """Lines that were not written because the file is full."""
        self._waiting: list[str] = []
        self._file = path.open("wb", buffering=0)

    def note(self, at: float, channel: str, ticker: str | None, payload: bytes, sockets: list[int]) -> None:
        """Remember a record that was said at *at*, epoch seconds, to *sockets*."""
        identity = message_id(channel, ticker, payload)
        if identity is not None:
            to = ",".join(map(str, sockets)) or "-"
            self._waiting.append(f"{int(at * 1000)} {channel} {to} {identity}\n")

    def lost(self, at: float, socket: int, count: int) -> None:
        """Remember that *count* of the last frames for *socket* were thrown away."""
        self._waiting.append(f"{int(at * 1000)} ! {socket} {count}\n")

    def write(self) -> None:
        """Append what has come together."""
        if not self._waiting:
            return
        text = "".join(self._waiting).encode()
        if self.bytes + len(text) > self._bytes_most:
            self.missing += len(self._waiting)
        else:
            self._file.write(text)
            self.lines += len(self._waiting)
            self.bytes += len(text)
        self._waiting.clear()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.write()
        self._file.close()

    def told(self) -> dict[str, str | int]:
        """Return where it is and how much it holds."""
        return {
            "path": str(self.path), "lines": self.lines, "bytes": self.bytes, "missing": self.missing,
        }  # fmt: skip
