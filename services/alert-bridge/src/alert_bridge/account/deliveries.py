"""What the account asks of those who deliver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from alert_bridge.deliver.ends import Record


class DestinationAccount(Protocol):
    """How many alerts of one destination stand where, whichever replica serves it."""

    @property
    def name(self) -> str:
        """As in the rules, in small letters."""

    @property
    def accepted(self) -> int:
        """Alerts that were stored since it was first served."""

    @property
    def delivered(self) -> int:
        """Of these, it has."""

    @property
    def suppressed(self) -> Mapping[str, int]:
        """Of these, it was not to be told, by reason."""

    @property
    def dead(self) -> Mapping[str, int]:
        """Of these, it will not get, by reason."""

    @property
    def in_flight(self) -> int:
        """Of these, have not ended."""

    @property
    def unaccounted(self) -> int:
        """Of these, nobody knows: 0 unless something is broken, or just moves."""

    @property
    def possible_duplicates(self) -> int:
        """Requests that said again what an earlier one may have said."""

    @property
    def replayed(self) -> Mapping[str, int]:
        """How those ended that were sent again by hand; their first end stays counted."""

    @property
    def state(self) -> str:
        """Whether it is served, and how it fares."""

    @property
    def why(self) -> str:
        """Why it waits or is stopped; empty where it does neither."""

    @property
    def served_by(self) -> str:
        """Which replica serves it; empty if none does."""


class Accounts(Protocol):
    """The accounts of all destinations."""

    async def snapshot(self) -> Sequence[DestinationAccount]:
        """Each as it stands now."""


class Ledger(Protocol):
    """What is written down of alerts."""

    async def read(self, seq: int) -> Mapping[str, Record]:
        """The records of one alert, by destination."""
