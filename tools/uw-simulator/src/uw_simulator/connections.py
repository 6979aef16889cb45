"""What is known of one open socket, of one token, and of sockets that are gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from uw_simulator.limits import RequestLedger, SocketLedger
from uw_simulator.sessions import Session


class Wire(Protocol):
    """The socket under a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes, soon."""
        ...

    def backlog(self) -> int:
        """Return how many bytes wait because the reader does not read."""
        ...

    def hang_up(self, *, code: int | None) -> None:
        """Close with *code*, or without a word if None."""
        ...

    def freeze(self, frozen: bool) -> None:
        """Neither read nor answer any more, while the connection stays open; or thaw."""
        ...


@dataclass(slots=True, eq=False)
class Account:
    """What belongs to one token: its scopes, its ledgers."""

    label: str
    advanced: bool
    sockets: SocketLedger
    requests: RequestLedger


@dataclass(slots=True, eq=False)
class Connection:
    """One open socket."""

    number: int
    account: Account
    wire: Wire
    silenced: bool
    """By the plan: a socket too many hears no data."""
    peer: str = ""
    """The client's address and port, which tell its process."""
    agent: str = ""
    since: float = 0.0
    """Epoch seconds."""
    session: Session = field(default_factory=Session)
    joined_at: dict[str, float] = field(default_factory=dict)
    """When each channel's join took effect, epoch seconds."""
    outbox: list[bytes] = field(default_factory=list)
    muted: bool = False
    half_open: bool = False
    sent: int = 0
    dropped: int = 0

    def told(self) -> dict[str, Any]:
        """Return what is known of it, while it is open and afterwards."""
        return {
            "connection": self.number, "account": self.account.label, "peer": self.peer, "agent": self.agent,
            "since": self.since, "joined": list(self.session.joined), "joined_at": self.joined_at,
            "sent": self.sent, "dropped": self.dropped, "verdicts": dict(self.session.verdicts),
        }  # fmt: skip
