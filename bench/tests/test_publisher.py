"""The benchmark's publisher sends what a real one sends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from subprocess import PIPE, Popen

from bench.publisher import Form
from bench.stamp import MARK, symbol

from baleen_bus import fetch_chunk, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.signals import Signal


def test_a_filled_form_announces_its_own_length():
    """The header and total sizes of the command stay true when stamp and ids are filled in."""
    command = Form(3, 178).filled(7)
    line, _, payload = command.partition(b"\r\n")
    _, subject, _, header, total = line.split()
    assert subject == b"ingress.signal.v1." + symbol(3).encode()
    assert len(payload) == int(total) + len(b"\r\n")
    assert len(payload[int(header) : -2]) == 178


async def test_every_message_is_stored_once_and_is_a_signal_with_its_own_stamp(nats_server: NatsServer):
    """A hundred messages of five tickers arrive whole, none taken for a repeat of another."""
    await asyncio.to_thread(_publish, nats_server.url, at_least=100)

    async with open_bus(url=nats_server.url, name="reader", connect_within=5) as bus:
        found, _ = await fetch_chunk(bus, "SIGNAL", ["signal.v1.>"], 0, 100)
    signals = [Signal.model_validate_json(message.body) for message in found]
    notes = [signal.model_dump()["signal"]["note"] for signal in signals]
    assert [int(note[len(MARK) : len(MARK) + 10]) for note in notes] == list(range(100))
    assert Counter(signal.symbol for signal in signals) == {symbol(n): 20 for n in range(5)}


def _publish(url: str, *, at_least: int) -> None:
    """Runs a publisher until so many of its messages are stored."""
    command = [sys.executable, "-m", "bench.publisher", "--url", url, "--rate", "500", "--tickers", "5"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(json.loads(report)["stored"] >= at_least for report in process.stdout)
        process.communicate(timeout=5)
    assert process.returncode == 0
