"""What an operator reads about a gateway's clients: from a page as it gives it, a strange one, and none."""

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
from baleen.client_words import client_words, keeps_up, list_words

CLIENT: dict[str, Any] = {
    "worker": "0123abcd", "host": "gw-1", "id": "1f0c9a27e4", "label": "native", "dialect": "native",
    "connected_at": "2026-11-21T19:28:11.920681Z", "messages": 412, "waiting_bytes": 0, "lag_ms": 0.0,
    "conflated": 7, "skipped": 0, "behind": False, "times_behind": 0, "last_gap_at": None, "last_gap": None,
    "address": "192.0.2.7", "subject": "ada",
    "may": {"subscribe": ["uw.v1.>"], "publish": [], "admin": False, "until": 1.8e9},
    "topics": [{"topic": "uw.v1.gex.SPY", "filter": None}, {"topic": "alert.v1.>", "filter": "a > [1]"}],
    "topics_not_told": 3,
}  # fmt: skip
SLOW: dict[str, Any] = {
    **CLIENT, "lag_ms": 3_200.0, "waiting_bytes": 900_000, "times_behind": 2, "skipped": 40,
    "last_gap_at": "2026-11-21T19:28:12.000000Z", "last_gap": {"TAPE": 7},
}  # fmt: skip
LIST: dict[str, Any] = {"clients": [CLIENT, SLOW], "total": 9, "workers": 2, "silent": ["cafe0001"]}


def seen(words: Any) -> str:
    """Return what a person at a wide terminal reads."""
    console = Console(width=250, force_terminal=False)
    with console.capture() as shown:
        for part in words:
            console.print(part)
    return shown.get()


@contextmanager
def gateway(pages: dict[str, tuple[int, Any]]) -> Iterator[tuple[str, list[str | None]]]:
    """Answer with these pages by their path, on a free port; with it, the tokens that came."""
    tokens: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, page = pages.get(self.path, (404, {"detail": "Not Found"}))
            tokens.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(page if isinstance(page, bytes) else json.dumps(page).encode())

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", tokens
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def run(*arguments: str, token: str | None = None) -> Any:
    """Run the command as a person does."""
    environ = {"GATEWAY_TOKEN": token or "", "COLUMNS": "250"}
    return CliRunner().invoke(app, ["explain", "client", *arguments], env=environ)


def test_one_client_is_told_with_its_rights_topics_and_what_it_was_spared():
    """Who it is, what it may and hears, and that it keeps up."""
    text = seen(client_words(CLIENT))

    for words in ("1f0c9a27e4", "192.0.2.7", "gw-1", "as ada", "uw.v1.gex.SPY", "a > [1]", "and 3 more"):
        assert words in text
    assert "7 passed over" in text
    assert "well   it keeps up" in text
    assert keeps_up(CLIENT)


def test_a_slow_client_is_told_with_how_slow_and_what_it_lost_before():
    """How long it lags, what waits, and after which message it fell behind."""
    text = seen(client_words(SLOW))

    assert "it lags by 3.2 s" in text
    assert "879 KiB wait" in text
    assert "fell behind 2 times" in text
    assert "after TAPE 7" in text
    assert not keeps_up(SLOW)
    assert "catching up" in seen(client_words({**CLIENT, "behind": True}))
    assert not keeps_up({**CLIENT, "behind": True})


def test_the_list_tells_what_it_does_not_show():
    """All are counted, and a worker that did not answer is named."""
    text = seen(list_words(LIST))

    assert "Clients 9, served by 2 workers; shown: 2." in text
    assert "worker cafe0001 did not answer" in text
    assert not keeps_up(LIST)
    assert keeps_up({**LIST, "clients": [CLIENT]})


def test_the_command_asks_a_gateway_with_the_token_of_the_environment():
    """One client, the list, the JSON as it is; the exit code says whether all is well."""
    pages = {"/v1/clients": (200, LIST), "/v1/clients/1f0c9a27e4": (200, CLIENT)}
    with gateway(pages) as (url, tokens):
        one = run("1f0c9a27e4", "--gateway", url, token="secret-token")
        everybody = run("--gateway", url)
        raw = run("1f0c9a27e4", "--gateway", url, "--json")

    assert (one.exit_code, everybody.exit_code, raw.exit_code) == (0, 1, 0)
    assert "it keeps up" in one.output
    assert json.loads(raw.output) == CLIENT
    assert tokens == ["Bearer secret-token", None, None]


@pytest.mark.parametrize(
    ("status", "page", "words"),
    [
        (404, {"detail": "No client of that name is connected"}, "No client 'x/y' is connected"),
        (401, {"detail": "a token is needed"}, "set GATEWAY_TOKEN"),
        (403, {"detail": "for admins"}, "set GATEWAY_TOKEN"),
        (200, b"<html>", "Is it ws-gateway?"),
        (500, {}, "Is it ws-gateway?"),
    ],
)
def test_what_cannot_be_told_is_told_with_the_cure(status: int, page: Any, words: str):
    """And a name that looks like a path is asked for as a name."""
    with gateway({"/v1/clients/x%2Fy": (status, page)}) as (url, _):
        answer = run("x/y", "--gateway", url, token="secret-token")

    assert answer.exit_code == 1
    assert words in answer.output
    assert "secret-token" not in answer.output


def test_without_a_gateway_it_says_where_it_looked():
    """A port where nobody listens."""
    answer = run("--gateway", "http://127.0.0.1:9")

    assert answer.exit_code == 1
    assert "No gateway answers at http://127.0.0.1:9" in answer.output


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(CLIENT)), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*sorted(CLIENT), *sorted(LIST)]), ANYTHING))
def test_a_page_of_another_version_is_no_error(page: dict[str, Any]):
    """Whatever it lacks or holds instead, something is shown."""
    assert seen(client_words(page))
    assert seen(list_words(page))
    assert keeps_up(page) in (True, False)
