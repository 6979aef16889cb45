"""When a high backlog is gone, so that the memory it took can be given back. Pure."""

from dataclasses import dataclass

HIGH = 10_000  # frames and messages, some 20 MB
LOW = 1_000


@dataclass(slots=True)
class Ebb:
    """Looks at the backlog again and again."""

    _was_high: bool = False

    def reached(self, backlog: int) -> bool:
        """Tell whether this is the first low backlog after a high one."""
        if backlog >= HIGH:
            self._was_high = True
        low_again = self._was_high and backlog <= LOW
        if low_again:
            self._was_high = False
        return low_again
