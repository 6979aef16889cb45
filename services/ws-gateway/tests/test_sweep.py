"""The sweep flushes everything in time, spread over the pause, and is not quickened by clients that lag."""

from __future__ import annotations

import asyncio
from typing import Any

from ws_gateway.hub.lanes import Lanes
from ws_gateway.hub.pens import Cohort, Pen
from ws_gateway.hub.sweep import Sweep
from ws_gateway.hub.wishes import plain
from ws_gateway.native.dialect import Native
from ws_gateway.wire.parcel import Parcel

CLIENTS = 1_000


class Machine:
    """Time and work that pass only when a client is written to."""

    def __init__(self) -> None:
        self.now = 1.0
        self.worked = 0.0

    def work(self, seconds: float) -> None:
        """Spend processor time."""
        self.now += seconds
        self.worked += seconds


class Seat:
    """A client that costs something to write to, unless it lags."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.pen: Pen | None = None
        self.lagging = False
        self.pack = None
        self.written = 0

    def write(self, _data: bytes) -> None:
        """Take a frame."""
        self.machine.work(0.00001)
        self.written += 1

    def give(self, _parcels: object) -> None:
        """Take a frame."""
        self.write(b"")

    def defer(self, _parcels: object) -> None:
        """Keep a frame, which costs next to nothing now."""


class Calls:
    """A loop that remembers what it was asked to call, and when."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.due: list[tuple[float, Any]] = []

    def call_soon(self, step: Any) -> asyncio.Handle:
        """Call in the next turn."""
        return self.call_later(0.0, step)

    def call_later(self, wait: float, step: Any) -> Any:
        """Call after *wait* seconds."""
        entry = (self.machine.now + wait, step)
        self.due.append(entry)
        machine_calls = self

        class Handle:
            def cancel(self) -> None:
                if entry in machine_calls.due:
                    machine_calls.due.remove(entry)

        return Handle()

    def run_until(self, end: float) -> None:
        """Let time pass."""
        while self.due and min(self.due, key=lambda entry: entry[0])[0] <= end:
            entry = min(self.due, key=lambda entry: entry[0])
            self.due.remove(entry)
            self.machine.now = max(self.machine.now, entry[0])
            entry[1]()
        self.machine.now = max(self.machine.now, end)


def crowd() -> tuple[Machine, Calls, Sweep, list[Seat], Lanes]:
    """Seat a thousand clients on one lane under a sweep."""
    machine = Machine()
    calls = Calls(machine)
    loop: Any = calls
    sweep = Sweep(loop, lambda: machine.now, lambda: machine.worked)
    lanes, seats = Lanes(), [Seat(machine) for _ in range(CLIENTS)]
    for seat in seats:
        lanes.join(seat, Native(), plain({"signal.v1.>"}))
    return machine, calls, sweep, seats, lanes


def publish(lanes: Lanes, sweep: Sweep) -> tuple[Cohort, ...]:
    """Put one frame on the lane."""
    (route,) = lanes.routes("signal.v1.SPY")
    for append in route.appends:
        append(Parcel(b"frame"))
    for cohort in route.cohorts:
        if not cohort.dirty:
            sweep.mark(cohort)
    return route.cohorts


def test_the_first_frame_leaves_at_once():
    """After a silence nobody waits longer than the writing takes."""
    machine, calls, sweep, seats, lanes = crowd()
    publish(lanes, sweep)
    calls.run_until(machine.now + 0.020)

    assert all(seat.written == 1 for seat in seats)


def test_under_load_everyone_is_served_once_a_pause_and_rounds_are_spread():
    """Each cohort is flushed about once per pause, and never all of them in one go."""
    machine, calls, sweep, seats, lanes = crowd()
    flushed: list[float] = []
    for _ in range(2_000):
        before = sweep.flushes
        cohorts = publish(lanes, sweep)
        calls.run_until(machine.now + 0.001)
        flushed += [machine.now] * (sweep.flushes - before)

    pause = sweep.pace.interval
    rounds = (flushed[-1] - flushed[0]) / pause
    assert 0.8 * rounds <= sweep.flushes / len(cohorts) <= 1.2 * rounds
    assert all(seat.written > 0.7 * rounds for seat in seats)
    late = [moment for moment in flushed if moment > flushed[-1] - pause]
    assert max(late) - min(late) > pause / 2


def test_a_crowd_that_lags_does_not_quicken_the_pace():
    """Clients that are not written to now will be later: the pause stays what their number asks for."""
    machine, calls, sweep, seats, lanes = crowd()
    for _ in range(500):
        publish(lanes, sweep)
        calls.run_until(machine.now + 0.001)
    usual = sweep.pace.interval
    for seat in seats[: CLIENTS * 9 // 10]:
        seat.lagging = True
        assert seat.pen is not None
        seat.pen.shuffle()
    for _ in range(500):
        publish(lanes, sweep)
        calls.run_until(machine.now + 0.001)

    assert sweep.pace.interval > 0.7 * usual


def test_silent_and_empty_cohorts_are_forgotten():
    """Who says nothing for a while costs nothing in the reckoning."""
    machine, calls, sweep, _, lanes = crowd()
    publish(lanes, sweep)
    calls.run_until(machine.now + 0.1)
    assert sweep.pace.round_cost > 0
    machine.now += 5
    sweep.forget_silent()

    assert abs(sweep.pace.round_cost) < 1e-9
