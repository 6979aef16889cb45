"""What an operator reads of alerts: from pages as a bridge gives them, from strange ones, and from none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from baleen import alerts_commands
from baleen.__main__ import app
from baleen.alerts_words import (
    account_words,
    alert_words,
    dead_words,
    destination_words,
    headline,
    history_words,
    printable,
    sent_words,
    unaccounted,
)

ALERT: dict[str, Any] = {
    "seq": 41,
    "stored_at": "2026-11-21T19:28:11.920681Z",
    "alert": {
        "id": "order-7", "alert_type": "flow", "source": "bot", "symbol": "SPY", "severity": "error",
        "title": "Big sweep", "content": "7.5 million\nin puts", "embed": {"title": "Sweep"},
        "more_embeds": [],
    },
    "life": [
        {
            "destination": "desk", "state": "delivered", "at": "2026-11-21T19:28:12.1Z", "attempts": 2,
            "remote_id": "99", "status": 200, "route": "all",
        },
        {"destination": "phone", "state": "suppressed", "reason": "not_routed"},
        {"destination": "log", "state": "in_flight", "reason": "rate_limited"},
    ],
}  # fmt: skip
ACCOUNT: dict[str, Any] = {
    "destinations": [
        {
            "name": "desk", "state": "waiting", "why": "rate_limited", "accepted": 10, "delivered": 5,
            "suppressed": {"muted": 2, "not_routed": 1}, "dead": {"rejected": 1}, "in_flight": 1,
            "unaccounted": 0, "possible_duplicates": 3,
        }
    ],
    "totals": {"accepted": 10},
    "received": {"json": {"stored": 10}},
}  # fmt: skip
OFF: dict[str, Any] = {"destinations": [{**ACCOUNT["destinations"][0], "unaccounted": 2}]}
LETTER: dict[str, Any] = {
    "seq": 7, "at": "2026-11-21T19:28:12.1Z", "destination": "desk", "reason": "rejected", "status": 400,
    "attempts": 3, "sent_again": False, "detail": "too odd", "alert": {"content": "what it said"},
}  # fmt: skip


@dataclass
class Heard:
    """A request that came."""

    method: str
    path: str
    token: str | None
    body: Any


@dataclass
class PlainBridge:
    """Answers each path with its pages in turn, the last one for ever."""

    url: str = ""
    pages: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """The next page of this path."""
        pages = self.pages.get(f"{method} {path}") or [(404, {"detail": "Not Found"})]
        return pages.pop(0) if len(pages) > 1 else pages[0]


@contextmanager
def bridge(**pages: Any) -> Iterator[PlainBridge]:
    """One on a free port; names of pages are a method and a path."""
    plain = PlainBridge(pages=pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.tell("GET")

        def do_POST(self) -> None:
            self.tell("POST")

        def tell(self, method: str) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            plain.heard.append(Heard(method, self.path, self.headers.get("Authorization"), body))
            status, page = plain.answer(method, self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(page if isinstance(page, bytes) else json.dumps(page).encode())

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    plain.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield plain
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def run(plain: PlainBridge, *arguments: str, token: str = "", said: str = "") -> Any:
    """Run the command as a person does, who types *said*."""
    environ = {"ALERT_BRIDGE_ADMIN_TOKEN": token, "COLUMNS": "250"}
    return CliRunner().invoke(app, ["alerts", *arguments, "--bridge", plain.url], env=environ, input=said)


def seen(words: Any) -> str:
    """Return what a person at a wide terminal reads."""
    console = Console(width=300, force_terminal=False)
    with console.capture() as shown:
        for part in words:
            console.print(part)
    return shown.get()


def test_an_alert_is_shown_whole_with_its_life():
    """Every field, and every destination with how and why."""
    text = seen(alert_words(ALERT))

    for words in ("order-7", "number 41", "Big sweep", "7.5 million\nin puts", '{"title": "Sweep"}'):
        assert words in text
    assert "more_embeds" not in text
    for words in ("delivered", "99", "not_routed", "rate_limited", "2026-11-21 19:28:12Z"):
        assert words in text
    assert "ALERT_BRIDGE_RULES" in seen(alert_words({**ALERT, "life": []}))
    odd = {"labels": {"n": 2**70, "s": "\ud800"}}
    assert str(2**70) in seen(alert_words({"alert": odd}))


def test_history_is_listed_by_headline():
    """One line each, and where to go on."""
    text = seen(history_words({"alerts": [ALERT], "more": True, "next": 42}))

    assert "Big sweep" in text
    assert "--since 42" in text
    assert "No alert fits" in seen(history_words({"alerts": []}))
    assert headline({"content": "a  b\n" + "c" * 200}).startswith("a b ccc")
    assert len(headline({"content": "c" * 200})) == 100


def test_an_account_says_whether_it_adds_up():
    """With the reasons; one that is off is named."""
    assert "muted 2, not_routed 1" in seen(account_words(ACCOUNT))
    assert "accepted = delivered" in seen(account_words(ACCOUNT))
    assert "desk: not every accepted alert" in seen(account_words(OFF))
    assert (unaccounted(ACCOUNT), unaccounted(OFF)) == ([], ["desk"])


def test_what_anybody_wrote_does_not_steer_the_terminal():
    """No escape sequence of an alert, a dead letter or a destination gets through."""
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
    page = {
        "alerts": [{**ALERT, "alert": {"title": evil, "source": evil, "id": evil, "labels": {evil: evil}}}],
        "letters": [{**LETTER, "detail": evil, "destination": evil, "alert": {"title": evil}}],
        "destinations": [{"name": evil, "state": evil, "why": evil, "suppressed": {evil: 1}}],
        "refused": [{"seq": 1, "why": evil}],
    }
    one = {**page["alerts"][0], "life": [{"destination": evil, "state": evil, "detail": evil}]}
    views = (history_words, dead_words, account_words, destination_words, sent_words)
    text = "".join(seen(view(page)) for view in views) + seen(alert_words(one))

    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


@given(st.text())
def test_only_printable_characters_are_shown(text):
    """Whatever was written."""
    assert printable(text).isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["alerts", "letters", "destinations", "life", "alert", "embed", "seq", "state", "totals", "unaccounted",
     "suppressed", "sent_again", "refused", "more"]
)  # fmt: skip


@settings(max_examples=40)  # each prints six views
@given(st.dictionaries(names, json_values | st.lists(st.dictionaries(names, json_values), max_size=2)))
def test_no_page_breaks_the_words(page):
    """A bridge of another version may say anything."""
    for view in (history_words, dead_words, account_words, destination_words, sent_words, alert_words):
        seen(view(page))


def test_a_long_history_is_asked_for_in_parts():
    """As many pages as the bridge makes of it, until there are as many as wanted."""
    first = {"alerts": [ALERT] * 2, "next": 43, "more": True}
    with bridge(**{
        "GET /alerts?since=2h&type=flow&limit=3": [(200, first)],
        "GET /alerts?since=43&type=flow&limit=1": [(200, {"alerts": [ALERT], "next": 44, "more": True})],
    }) as plain:  # fmt: skip
        result = run(plain, "list", "--since", "2h", "--type", "flow", "--limit", "3", token="t")

    assert result.exit_code == 0, result.output
    assert result.output.count("Big sweep") == 3
    assert "--since 44" in result.output
    assert [one.token for one in plain.heard] == ["Bearer t", "Bearer t"]


def test_an_alert_is_found_by_id_and_by_number():
    """An id is escaped, whatever it holds."""
    with bridge(**{
        "GET /alerts/seq%2F1%3Fx": [(200, {"id": "seq/1?x", "alerts": [ALERT, ALERT]})],
        "GET /alerts/seq/41": [(200, ALERT)],
    }) as plain:  # fmt: skip
        by_id, by_seq = run(plain, "show", "seq/1?x"), run(plain, "show", "--seq", "41")

    assert by_id.output.count("Big sweep") == 2
    assert by_seq.output.count("Big sweep") == 1
    assert run(plain, "show").exit_code == 2


def test_an_account_that_is_off_ends_with_one(monkeypatch):
    """After three looks; one that was off for a moment is well."""
    monkeypatch.setattr(alerts_commands, "_BETWEEN", 0.0)
    with bridge(**{"GET /account": [(200, OFF)]}) as plain:
        assert run(plain, "account").exit_code == 1
        assert len(plain.heard) == 3
    with bridge(**{"GET /account": [(200, OFF), (200, ACCOUNT)]}) as plain:
        assert run(plain, "account").exit_code == 0


def test_dead_letters_are_listed():
    """With why, and what the alert said."""
    with bridge(**{"GET /dead?limit=50&destination=desk": [(200, {"letters": [LETTER]})]}) as plain:
        result = run(plain, "dead", "--destination", "desk")

    assert "what it said" in result.output
    assert "too odd" in result.output


def test_nothing_is_sent_again_without_a_yes():
    """It says how many first; a no, or no answer, sends nothing."""
    with bridge(**{"POST /dead/redeliver": [(200, {"would_send": 2, "refused": []})]}) as plain:
        result = run(plain, "redeliver", "desk", "7", "8", said="n\n")

    assert "Send 2 dead letters to desk again?" in result.output
    assert result.exit_code == 1
    assert [one.body for one in plain.heard] == [{"destination": "desk", "dry_run": True, "seqs": [7, 8]}]


def test_all_are_sent_again_in_as_many_parts_as_it_takes():
    """Until nothing is left; what was refused is said, and ends with 1."""
    with bridge(**{
        "POST /dead/redeliver": [
            (200, {"would_send": 3}),
            (200, {"sent_again": [1, 2], "left": 1, "refused": []}),
            (200, {"sent_again": [3], "left": 0, "refused": []}),
        ]
    }) as plain:  # fmt: skip
        result = run(plain, "redeliver", "desk", "--all", said="y\n")

    assert "3 to desk" in result.output
    assert result.exit_code == 0
    assert [one.body["dry_run"] for one in plain.heard] == [True, False, False]
    refused = {"sent_again": [], "left": 0, "refused": [{"seq": 7, "why": "it was sent again already"}]}
    with bridge(**{"POST /dead/redeliver": [(200, {"would_send": 0}), (200, refused)]}) as plain:
        result = run(plain, "redeliver", "desk", "7")
    assert "it was sent again already" in result.output
    assert result.exit_code == 1
    assert run(plain, "redeliver", "desk").exit_code == 2
    assert run(plain, "redeliver", "desk", "7", "--all").exit_code == 2


def test_a_destination_is_resumed():
    """Its name is escaped."""
    with bridge(**{"POST /destinations/a%20b/resume": [(200, {"resumed": "a b"})]}) as plain:
        result = run(plain, "resume", "a b")

    assert "a b tries again" in result.output
    page = {"destinations": [{"name": "desk", "state": "stopped", "why": "401"}]}
    with bridge(**{"GET /destinations": [(200, page)]}) as plain:
        assert "stopped" in run(plain, "destinations").output


@pytest.mark.parametrize(
    ("status", "page", "says"),
    [
        (401, {"error": "not_allowed", "message": "no"}, "set ALERT_BRIDGE_ADMIN_TOKEN here"),
        (403, {"error": "not_allowed", "message": "no"}, "set ALERT_BRIDGE_ADMIN_TOKEN here"),
        (
            400,
            {"error": "invalid", "message": "x", "errors": [{"field": "since", "message": "odd"}]},
            "since: odd",
        ),
        (404, {"error": "not_found", "message": "no alert of this id"}, "no alert of this id"),
        (503, {"error": "unavailable", "message": "it cannot be told now"}, "cannot be told now"),
        (404, {"detail": "Not Found"}, "no alert-bridge that tells of alerts"),
        (200, b"<html>", "no alert-bridge that tells of alerts"),
        (200, [1], "no alert-bridge that tells of alerts"),
    ],
)
def test_whatever_comes_instead_of_an_answer_is_said_with_its_cure(status, page, says):
    """On one's error stream, with 1, and never with the token in it."""
    with bridge(**{"GET /account": [(status, page)]}) as plain:
        result = run(plain, "account", token="hunter2-hunter2")

    assert result.exit_code == 1
    assert says in result.output
    assert "hunter2" not in result.output


def test_a_bridge_that_is_not_there_is_named():
    """With what to do."""
    with bridge() as plain:
        pass
    result = run(plain, "account")

    assert "No alert-bridge answers at" in result.output
    assert "--bridge" in result.output


def test_the_answer_as_it_is_for_other_programs():
    """JSON, and nothing else."""
    with bridge(**{"GET /account": [(200, ACCOUNT)]}) as plain:
        assert json.loads(run(plain, "account", "--json").output) == ACCOUNT
