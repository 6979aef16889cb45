"""The shapes of load that a bench knows by name.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shape:
    """One load.

    Attributes:
        name: what the command line calls it.
        clients: WebSocket clients.
        rate: messages a second into the bus; 0: nobody publishes.
        tickers: how many tickers the messages go round.
        watch: how many of them one client wants; 0: all of them.
    """

    name: str
    clients: int
    rate: float
    tickers: int = 50
    watch: int = 0

    @property
    def share(self) -> float:
        """Part of all messages that one client gets."""
        return self.watch / self.tickers if self.watch else 1.0

    @property
    def strict(self) -> int:
        """Clients whose every frame is read strictly: few enough that the generator stays cheap."""
        return max(4, min(50, self.clients // 25))

    @property
    def offered(self) -> float:
        """Deliveries a second that this shape asks for."""
        return self.clients * self.rate * self.share

    def of(self, clients: int | None) -> Shape:
        """The same shape with so many clients, or with its own."""
        return replace(self, clients=clients or self.clients)

    def small(self) -> Shape:
        """The same shape, small enough to see in seconds that it works."""
        return replace(self, clients=min(self.clients, 40), rate=min(self.rate, 200))


SMALL = ("5000x200", "watchlist", "idle10k")
"""The shapes that a small run looks at: one of each kind."""

SHAPES = {
    shape.name: shape
    for shape in (
        Shape("5000x200", clients=5000, rate=200),
        Shape("5000x400", clients=5000, rate=400),
        Shape("500x1000", clients=500, rate=1000),
        Shape("watchlist", clients=2000, rate=5000, tickers=500, watch=20),
        Shape("latency", clients=100, rate=1000),
        Shape("idle10k", clients=10_000, rate=0),
    )
}
