"""What a publisher counts."""

from dataclasses import dataclass, field

from baleen_bus.errors import DropReason


@dataclass(slots=True)
class PublisherStats:
    """Counters since the publisher was made, for export.

    ``offered`` = stored + superseded + dropped + backlog.
    """

    offered: int = 0
    stored: int = 0
    superseded: int = 0
    """Settled by a newer message of their subject, where a stream keeps only the newest."""
    duplicates: int = 0
    full: int = 0
    dropped: dict[DropReason, int] = field(default_factory=dict)
    retries: int = 0
    late_acks: int = 0
    callback_errors: int = 0
    last_refusal: str = ""
