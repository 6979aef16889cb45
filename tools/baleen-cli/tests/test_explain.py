"""What an operator reads about the budget: from a page as uw-ingest gives it, a strange one, and none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from baleen.__main__ import app
from baleen.budget_words import budget_words, channel_words, feed_words, is_well

SLOT = {
    "slot": 1, "holder": "ingest-a", "mine": True, "state": "connected", "why": "", "leaving": False,
    "until_s": 4.25, "epoch": 7, "joined": ["flow-alerts", "gex:SPY"], "planned": ["flow-alerts", "gex:SPY"],
    "do": "",
}  # fmt: skip
CHANNEL = {
    "channel": "gex:SPY", "slot": 1, "by": ["demand", "team.x"], "why": "fits beside the others",
    "state": "joined", "weight": 2.5, "moving_from": None,
}  # fmt: skip
WELL: dict[str, Any] = {
    "replica": "ingest-a",
    "sockets": {
        "ceiling": 3, "why": "as set", "slots": [SLOT, {"slot": 2, "holder": None, "state": "free"}],
    },
    "planner": {"holder": "ingest-b"},
    "channels": [CHANNEL, {**CHANNEL, "channel": "flow-alerts", "by": ["configured"]}],
    "unserved": [],
    "feeds": {
        "flow_alert": {"state": "live", "why": "frames come", "do": ""},
        "trading_halt": {"state": "quiet", "why": "nothing happens", "do": ""},
    },
    "rest": {
        "holder": "ingest-a", "minute_left": 97, "day_used": 1234, "day_limit": 40000,
        "forecast": "31,000 of 40,000 at 20:00", "in_flight": 1, "last_limit": None,
        "questions": [{"feed": "market_mover", "every_s": 30.0, "next_in_s": 4.0, "last_error": None}],
    },
    "trouble": [],
}  # fmt: skip
ILL: dict[str, Any] = {
    **WELL,
    "sockets": {
        "ceiling": 1, "why": "the second socket stayed mute",
        "slots": [{**SLOT, "state": "not_entitled", "why": "no websocket scope", "do": "Upgrade the token."}],
    },
    "channels": [{**CHANNEL, "state": "not joined", "moving_from": 2, "trouble": "never answered"}],
    "unserved": [{"topic": "uw.v1.net_flow.*", "by": ["team.x"], "why": "upstream needs a ticker"}],
    "feeds": {"flow_alert": {"state": "stale", "why": "silent beside siblings", "do": "Check the plan."}},
    "trouble": [{"what": "socket 1 is not_entitled", "do": "Upgrade the token."}],
}  # fmt: skip


def seen(words: Any) -> str:
    """Return what a person at a wide terminal reads."""
    console = Console(width=200, force_terminal=False)
    with console.capture() as shown:
        for part in words:
            console.print(part)
    return shown.get()


@contextmanager
def ingest(body: bytes, status: int = 200) -> Iterator[str]:
    """Answer `GET /budget` with this, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/budget" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def explained(page: Any, *words: str, status: int = 200) -> tuple[int, str]:
    """Run the command against such a page; return exit code and what was printed."""
    body = page if isinstance(page, bytes) else json.dumps(page).encode()
    with ingest(body, status) as url:
        told = CliRunner().invoke(app, ["explain", *words, "--ingest", url], env={"COLUMNS": "200"})
    return told.exit_code, told.output


def test_the_budget_names_holders_reasons_and_what_is_left():
    """Everything an operator asks first stands on one page; all well is exit code 0."""
    code, text = explained(WELL, "budget")

    assert code == 0
    for words in (
        "at most 3: as set", "Planned by ingest-b", "ingest-a (this one)", "4.2 s", "2 of 2", "free",
        "gex:SPY", "fits beside the others", "demand, team.x", "97 left this minute",
        "1234 used today of 40000", "31,000 of 40,000 at 20:00", "market_mover", "30 s", "nothing is wrong",
    ):  # fmt: skip
        assert words in text, words


def test_what_is_wrong_comes_with_what_to_do():
    """One line each, and exit code 1."""
    code, text = explained(ILL, "budget")

    assert code == 1
    for words in (
        "not_entitled", "no websocket scope Upgrade the token.", "the second socket stayed mute",
        "not joined (moving from 2)", "uw.v1.net_flow.* (team.x): upstream needs a ticker",
        "socket 1 is not_entitled", "do: Upgrade the token.",
    ):  # fmt: skip
        assert words in text, words


def test_one_feed_and_one_channel():
    """With their own exit codes; a name that is not there is answered with those that are."""
    assert explained(WELL, "feed", "flow_alert")[0] == 0
    code, text = explained(ILL, "feed", "flow_alert")
    assert (code, "stale" in text, "Check the plan." in text) == (1, True, True)
    code, text = explained(ILL, "channel", "gex:SPY")
    assert (code, "never answered" in text, "Socket 1 is not_entitled" in text) == (1, True, True)
    assert explained(WELL, "channel")[0] == 0
    assert "needs a ticker" in explained(ILL, "channel", "net_flow")[1]
    code, text = explained(WELL, "feed", "flow_alret")
    assert (code, "there are flow_alert, trading_halt" in text) == (1, True)


def test_raw_is_raw():
    """For pipes; the exit code stays."""
    code, text = explained(ILL, "budget", "--json")
    assert (code, json.loads(text)) == (1, ILL)


@pytest.mark.parametrize(
    ("page", "status"), [(b"<html>", 200), (b"[]", 200), (b'{"error":"Route not found"}', 404)]
)
def test_something_else_that_answers_is_told_from_uw_ingest(page: bytes, status: int):
    """The port of another service is a likely mistake."""
    code, text = explained(page, "budget", status=status)
    assert (code, "knows no budget" in text) == (1, True)


def test_nobody_there():
    """What to do, and no traceback."""
    told = CliRunner().invoke(app, ["explain", "budget", "--ingest", "http://127.0.0.1:1"])
    assert (told.exit_code, "No uw-ingest answers at http://127.0.0.1:1" in told.output) == (1, True)


PAGES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["sockets", "slots", "slot", "joined", "channels", "feeds", "rest", "questions", "weight",
             "until_s", "every_s", "forecast", "lasts", "trouble", "unserved", "by", "state", "x"]
        ), inner, max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(list(WELL)), PAGES))
def test_no_page_is_too_strange(page: dict[str, Any]):
    """What another version leaves out or spells otherwise breaks nothing."""
    for words in (budget_words(page), feed_words(page, None), channel_words(page, None)):
        seen(words)
    for what in ("budget", "feed", "channel"):
        is_well(page, what, None)


def test_questions_by_name_and_a_forecast_in_figures():
    """As the poller tells them; whoever does not hold the lease says why it knows nothing."""
    questions = {"late": {"feed": "congress_trade", "every_s": 60.4, "due_in_s": 3, "why": "HTTP 502"}}
    rest = {"holder": "a", "questions": questions, "forecast": {"lasts": True, "planned": 22, "unspent": 7}}
    text = seen(budget_words({"rest": rest}))
    for words in (
        "late",
        "congress_trade",
        "60 s",
        "3 s",
        "HTTP 502",
        "22 more are planned today, 7 stay unspent",
    ):
        assert words in text, words
    spent = {"why": "another replica asks", "forecast": {"lasts": False, "ends_at": "18:00"}}
    assert "another replica asks; it ends at 18:00, before the day does" in seen(
        budget_words({"rest": spent})
    )


def test_markup_of_strangers_is_shown_as_it_is():
    """A wish's topic is somebody else's text."""
    page = {**WELL, "unserved": [{"topic": "[red]x[/red]", "by": [], "why": ""}]}
    assert "[red]x[/red]" in seen(budget_words(page))
    assert "[red]x[/red]" in seen(feed_words({"feeds": {"[red]x[/red]": {}}}, None))
