"""Alerts that edit or delete an earlier message of their sender: whether there is one to change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from alert_bridge.changes import MEANT, deletes
from alert_bridge.deliver.ends import Record, State
from alert_bridge.destinations.destination import Verdict
from baleen_contracts.alert import Alert


@runtime_checkable
class Changeable(Protocol):
    """A destination whose messages can be changed."""

    async def edit(self, remote_id: str, body: Any) -> Verdict:
        """Lets a message say *body*."""

    async def delete(self, remote_id: str) -> Verdict:
        """Takes a message back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an alert that changes another.

    ``remote_id`` is of the message to change; without one an edit is told as news, and a delete is not.
    """

    deletes: bool
    remote_id: str | None


def meant(alert: Alert) -> int | None:
    """The number of the alert that this one changes; None if that is not known."""
    written = alert.labels.get(MEANT, "")
    return int(written) if written.isascii() and written.isdigit() else None


def change_of(alert: Alert, record: Record | None, *, possible: bool) -> Change:
    """What to change.

    Args:
        alert: that edits or deletes.
        record: what is written down of the alert it means.
        possible: the destination can change messages.
    """
    own = record is not None and record.state is State.DELIVERED and record.alone
    remote_id = record.remote_id if record is not None and own and possible else None
    return Change(deletes(alert), remote_id)
