"""What the hub knows of a conversation, whatever its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from ws_gateway.dialects import Dialect
from ws_gateway.errors import Farewell
from ws_gateway.wire.wire import Wire


class Session(Protocol):
    """What the hub knows of a conversation."""

    @property
    def dialect(self) -> Dialect:
        """How the client is spoken to."""
        ...

    @property
    def label(self) -> str:
        """Under which name it is counted."""
        ...

    def heard(self, wire: Wire, text: str) -> None:
        """Obey or refuse what the client said."""
        ...

    def heartbeat(self, now: datetime) -> bytes:
        """Return the frames, beside the ping, that show an idle client that we live."""
        ...

    def farewell(
        self, reason: Farewell, now: datetime, particular: str | None = None
    ) -> tuple[int, str, bytes]:
        """Return close code, close reason and the frames said before, for ending a conversation.

        Args:
            reason: why.
            now: the time.
            particular: words for this case alone, in place of the usual ones.
        """
        ...

    def expiring(self, in_seconds: float) -> bytes:
        """Return the frames that tell a client that its token ends in *in_seconds*."""
        ...

    def code_of_broken(self, standard: int) -> int:
        """Return the close code for a client that broke the protocol; the standard says *standard*."""
        ...

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:
        """Hear that the client lags so far that what waited for it was dropped; it is on no lane any more.

        Args:
            wire: the client.
            since: of each stream of which something was dropped, the number after which nothing was given. Of
                every other stream all was given up to now.

        Returns:
            whether the conversation catches up by itself once the client has read the rest: then `drained` is
            called, and until that `Hub.move` says its frames but seats the client on no lane. If not, the
            client is closed.
        """
        ...

    def drained(self, wire: Wire) -> None:
        """Hear, once after `fell_behind`, that the client has read all that waited for it."""
        ...
