"""Messages that are made and wait while the outbox is full. Pure.

Bounded: of messages of which only the newest counts, one per subject is kept; of the others so many, and the
next is not taken.
"""

from collections import deque
from collections.abc import Callable

from baleen_bus.errors import PublishRefused
from baleen_contracts import Delivery, by_name
from baleen_contracts.message import Publishable

OnDropped = Callable[[PublishRefused], None] | None
Offer = tuple[Publishable, OnDropped]


class Held:
    """What to offer first, as soon as there is room."""

    def __init__(self, most: int) -> None:
        """Hold at most so many messages that each matter, and as many gaps again."""
        self._most = most
        self._every: deque[Offer] = deque()
        self._latest: dict[str, Offer] = {}

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._every) + len(self._latest)

    def keep(self, offer: Offer) -> bool:
        """Take a message, unless there is no room for one more of its kind."""
        message = offer[0]
        if by_name(message.entity).delivery is Delivery.LATEST:
            subject = message.subject
            self._latest.pop(subject, None)
            self._latest[subject] = offer
            return True
        # What tells of a loss has room of its own, which nothing else can fill.
        if len(self._every) >= (2 * self._most if message.entity == "feed_gap" else self._most):
            return False
        self._every.append(offer)
        return True

    def first(self) -> Offer:
        """Return what to offer next, and keep it until :meth:`done`."""
        return self._every[0] if self._every else next(iter(self._latest.values()))

    def done(self) -> None:
        """Forget what :meth:`first` returned."""
        if self._every:
            self._every.popleft()
        else:
            del self._latest[next(iter(self._latest))]
