"""What a person types, and what the live table shows."""

import pytest
from rich.console import Console

from baleen.board import Board
from baleen.conversation import topics_of
from baleen.errors import CannotRun
from baleen_contracts.catalogue import by_name


def seen(board: Board) -> str:
    """Return the table as a person at a wide terminal would read it."""
    console = Console(width=160, force_terminal=False)
    with console.capture() as shown:
        console.print(board.table(now=10.0))
    return shown.get()


def event(subject: str, **data: object) -> dict[str, object]:
    """Return a frame of the gateway."""
    return {"op": "event", "topic": subject, "time": "2026-01-02T15:04:05.678901Z", "data": data}


def test_an_entity_name_stands_for_all_its_subjects():
    """`baleen watch flow_alert` is enough; subjects and wildcards are taken as they are."""
    assert topics_of(["flow_alert", "uw.v1.price.SPY", "alert.>"]) == [
        by_name("flow_alert").pattern,
        "uw.v1.price.SPY",
        "alert.>",
    ]


def test_a_word_that_is_neither_is_refused_with_the_names_there_are():
    """A typing mistake does not watch silence."""
    with pytest.raises(CannotRun, match=r"'flow_alret' is no subject.*flow_alert"):
        topics_of(["flow_alret"])


def test_the_newest_message_stands_on_top_and_old_ones_leave():
    """The table stays as long as it was asked to be."""
    board = Board(rows=2, started=0.0)
    for price in (1.0, 2.0, 3.0):
        board.take(event("uw.v1.price.SPY", symbol="SPY", price=price))

    text = seen(board)
    assert "3 messages" in text
    assert "0.3/s" in text
    assert "15:04:05.678" in text
    assert "price=1" not in text
    assert text.index("price=3") < text.index("price=2")


def test_an_announced_gap_is_shown():
    """Loss is never silent, not even in a terminal."""
    board = Board(rows=5, started=0.0)
    board.take({"op": "gap", "topic": "uw.v1.option_trade.>", "reason": "too_slow"})
    assert "gap: too_slow" in seen(board)


def test_markup_in_a_message_is_shown_as_it_is():
    """What somebody else wrote is no instruction to the terminal."""
    board = Board(rows=5, started=0.0)
    board.take(event("alert.v1.test._", content="[red]not red[/red]"))
    assert "[red]not red[/red]" in seen(board)
