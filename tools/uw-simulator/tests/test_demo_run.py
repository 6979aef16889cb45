"""A scripted session that is told to pause, resume and stop."""

# ruff: noqa: S311 - a script needs chance that repeats, not secrets

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts.command import CommandRequest
from baleen_contracts.session import SessionType
from baleen_contracts.session_entry import SessionState
from uw_simulator.demo_run import Run
from uw_simulator.demo_sessions import backtest, forward

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ORDERS = st.sampled_from(["pause", "resume", "stop", "change_speed"])


def a_run(kind: SessionType) -> Run:
    """A session that has just begun."""
    return Run("s", kind, (backtest if kind is SessionType.BACKTEST else forward)(Random(1), NOW))


def rest_of(run: Run) -> list[str]:
    """Play on to the end and return the kinds of the events."""
    told = []
    while (data := run.step()) is not None:
        told.append(data.event)
    return told


def played_until(run: Run, kind: str) -> None:
    """Play until an event of that kind has been told."""
    while (data := run.step()) is not None and data.event != kind:
        pass


@pytest.mark.parametrize("kind", SessionType)
def test_left_alone_it_plays_to_its_end(kind: SessionType):
    """And is completed then."""
    run = a_run(kind)
    told = rest_of(run)

    assert (told[0], told[-1], run.state) == (
        "session_initialized",
        "session_completed",
        SessionState.COMPLETED,
    )


def test_a_pause_says_at_which_candle_it_stands_and_a_resume_too():
    """What is so already is refused."""
    run = a_run(SessionType.BACKTEST)
    for _ in range(4):
        run.step()

    reply, event = run.obey(CommandRequest(action="pause"))
    assert reply.ok
    assert event is not None
    assert (event.event, event.model_dump(exclude_unset=True)["current_candle"]) == ("session_paused", 2)
    assert run.state is SessionState.PAUSED
    assert run.obey(CommandRequest(action="pause"))[0].code == "nothing_to_do"
    reply, event = run.obey(CommandRequest(action="resume"))
    assert event is not None
    assert (reply.ok, event.event, run.state) == (True, "session_resumed", SessionState.RUNNING)


@pytest.mark.parametrize(("close", "first"), [(True, "position_closed"), (False, "session_completed")])
def test_a_stop_closes_the_position_if_asked_to_and_comes_to_the_result(*, close: bool, first: str):
    """At once, also where it stands still; the answer names the result."""
    run = a_run(SessionType.FORWARD)
    played_until(run, "position_opened")

    reply, event = run.obey(CommandRequest(action="stop", close_position=close))
    assert (reply.data, event) == ({"result_id": "s-result", "position_closed": close}, None)
    assert run.obey(CommandRequest(action="stop"))[0].code == "not_running"
    told = rest_of(run)
    assert (told[0], told[-1], len(told)) == (first, "session_completed", 1 + close)


def test_a_paused_session_can_be_stopped():
    """It says so as forced."""
    run = a_run(SessionType.BACKTEST)
    run.step()
    run.obey(CommandRequest(action="pause"))

    assert run.obey(CommandRequest(action="stop"))[0].ok
    (result,) = [run.step()]
    assert result is not None
    assert result.model_dump()["forced_stop"] is True


def test_a_forward_test_knows_only_to_stop():
    """A market cannot be paused."""
    run = a_run(SessionType.FORWARD)

    assert run.obey(CommandRequest(action="pause"))[0].code == "not_supported"
    assert run.obey(CommandRequest(action="explode"))[0].code == "not_supported"


@given(st.sampled_from(SessionType), st.lists(st.tuples(st.integers(0, 300), ORDERS), max_size=8))
def test_whatever_it_is_told_it_ends_once_with_a_result(kind: SessionType, orders: list[tuple[int, str]]):
    """Orders at any moment break nothing, and none is obeyed after the end."""
    run = a_run(kind)
    told: list[str] = []
    for steps, action in orders:
        for _ in range(steps):
            data = run.step() if run.state is SessionState.RUNNING else None
            told += [data.event] if data is not None else []
        reply, event = run.obey(CommandRequest(action=action))
        assert reply.ok or (reply.code and event is None)
    told += rest_of(run)

    assert told.count("session_completed") == 1
    assert told[-1] == "session_completed"
    assert run.obey(CommandRequest(action="stop"))[0].code == "not_running"
