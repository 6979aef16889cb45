"""Reads what is written down of alerts: one at every destination, or many at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from alert_bridge.deliver import names
from alert_bridge.deliver.ends import Record, StrangeRecordError, read
from baleen_bus import Bus, key_untoken
from baleen_bus.buckets import DELIVERY, stream_of, subject_of
from baleen_bus.reading import Delivered, direct_get, fetch_last, stream_epoch

AT_ONCE: Final = 500
"""Keys of one question; the bus answers about at most 1,024."""

log = structlog.get_logger(__name__)


class Ledger:
    """What became of alerts, as far as it is written down.

    A number of the stream counts anew when the stream is made anew: what belongs to another making of it is
    not shown.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = stream_of(DELIVERY)

    async def read(self, seq: int) -> dict[str, Record]:
        """The records of one alert by destination; where it was sent again by hand, of the last time.

        A destination without one was not told by any route, or has not come to it yet.

        Raises:
            Unreachable, ApiRefused: it cannot be read now.
        """
        prefix = subject_of(DELIVERY, f"{seq}.")
        found = await fetch_last(self._bus, self._stream, prefix + ">")
        epoch = await stream_epoch(self._bus, names.ALERTS)
        records: dict[str, Record] = {}
        for item in found:
            record = _record(item)
            if record is None or record.epoch != epoch:
                continue
            destination = key_untoken(item.subject.removeprefix(prefix).partition(".")[0])
            known = records.get(destination)
            if known is None or known.replays < record.replays:
                records[destination] = record
        return records

    async def of(self, destination: str, seqs: Sequence[int], epoch: str) -> dict[int, Record]:
        """The records of these alerts on their first way to one destination, by number; some have none.

        Raises:
            Unreachable, ApiRefused: they cannot be read now.
        """
        records: dict[int, Record] = {}
        for start in range(0, len(seqs), AT_ONCE):
            part = seqs[start : start + AT_ONCE]
            keys = {subject_of(DELIVERY, names.record_of(seq, destination)): seq for seq in part}
            found: list[Delivered] = []
            request = {"multi_last": list(keys), "batch": len(keys)}
            await direct_get(self._bus, self._stream, request, found.append)
            for item in found:
                record = _record(item)
                if record is not None and record.epoch == epoch:
                    records[keys[item.subject]] = record
        return records

    async def one(self, destination: str, seq: int, replays: int, epoch: str) -> Record | None:
        """The record of one alert on one of its ways.

        Raises:
            Unreachable, ApiRefused: it cannot be read now.
        """
        key = subject_of(DELIVERY, names.record_of(seq, destination, replays))
        found = await fetch_last(self._bus, self._stream, key)
        record = _record(found[0]) if found else None
        return record if record is not None and record.epoch == epoch else None


def _record(item: Delivered) -> Record | None:
    try:
        return read(item.body)
    except StrangeRecordError as error:
        log.warning("a record of a delivery is unreadable", key=item.subject, why=str(error))
        return None
