"""The labels of an alert that changes an earlier message instead of being one. Pure.

They make a destination edit or delete a message, so the bridge alone sets them, after it saw that the message
is the sender's.
"""

from typing import Final

from baleen_contracts.alert import Alert

EDITS: Final = "discord.edits"
"""The id of the message that it edits."""
DELETES: Final = "discord.deletes"
"""The id of the message that it deletes."""
MEANT: Final = "discord.edits_seq"
"""The number of the alert which that message was."""

LABELS: Final = frozenset({EDITS, DELETES, MEANT})


def changes(alert: Alert) -> bool:
    """Whether it edits or deletes an earlier message."""
    return EDITS in alert.labels or DELETES in alert.labels


def deletes(alert: Alert) -> bool:
    """Whether it deletes an earlier message."""
    return DELETES in alert.labels
