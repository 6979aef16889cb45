"""What uw-ingest counts, as plain numbers: the hot path adds, the metrics read. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from uw_ingest.refusals import Refusal


@dataclass(slots=True)
class Tally:
    """Counts since the process began."""

    frames: int = 0
    answers: int = 0
    complaints: int = 0
    overflowed: int = 0
    gaps: int = 0
    opened: int = 0  # sockets
    failures: Counter[str] = field(default_factory=Counter)  # sockets lost or not opened, by kind
    refused: Counter[Refusal] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)  # messages made, by feed
    rest_calls: Counter[str] = field(default_factory=Counter)  # by status, or by kind of failure
    last_message_at: dict[str, datetime] = field(default_factory=dict)  # received, by feed
