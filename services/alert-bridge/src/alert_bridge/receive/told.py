"""What a dialect is read from, and the one way from what it reads to an alert. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alert_bridge.errors import Empty, Unreadable
from alert_bridge.receive.depth import refuse_deep
from alert_bridge.receive.shape import BridgedAlert, checked, key_as_id, parsed, usual_of
from alert_bridge.receive.source import Source
from alert_bridge.receive.values import fitted

CUT = "alert-bridge.cut"
"""The label that names the fields that were cut; their whole is in another label."""


@dataclass(frozen=True, slots=True)
class Told:
    """One request.

    Attributes:
        dialect: how it is spoken; the type of its alerts where nobody says one.
        body: its bytes, whole.
        sender: who it comes from, where that was proven.
        key: its ``Idempotency-Key``.
        fresh_id: the id of an alert that brings none.
        now: when it was received.
    """

    dialect: str
    body: bytes
    sender: Source | None
    key: str | None
    fresh_id: str
    now: datetime

    def text(self) -> str:
        """The body as text.

        Raises:
            Unreadable: it is not UTF-8.
            Empty: it says nothing.
        """
        try:
            text = self.body.decode()
        except UnicodeDecodeError:
            raise Unreadable("the body is not UTF-8") from None
        if not text.strip():
            raise Empty("the body is empty")
        return text

    def json(self) -> Any:
        """The JSON in the body, as deep as an alert may be.

        Raises:
            Unreadable: it is no JSON.
            Invalid: it is nested too deep.
        """
        value = parsed(self.body)
        refuse_deep(value if isinstance(value, dict) else {"body": value})
        return value

    def alert(self, fields: Mapping[str, Any], labels: Mapping[str, str]) -> BridgedAlert:
        """The alert of *fields*; what they do not say is as its sender has it, or as usual.

        Texts that are too long are cut with a mark, so *labels* must hold the whole of them.

        Raises:
            Invalid: a field is not what an alert has there.
        """
        fits, cut = fitted({name: value for name, value in fields.items() if value is not None})
        fits = {**usual_of(self.sender), **fits}
        if self.sender is not None:
            fits["source"] = self.sender.name
        fits.setdefault("source", self.dialect)
        fits.setdefault("alert_type", self.dialect)
        fits.setdefault("occurred_at", self.now)
        if "id" not in fits:
            fits |= {"id": key_as_id(self.key)} if self.key else {"id": self.fresh_id, "minted": True}
        said = {**labels, CUT: ",".join(cut)} if cut else labels
        return checked({**fits, "labels": said, "received_at": self.now})
