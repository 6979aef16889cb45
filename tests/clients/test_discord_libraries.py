"""discord.py, nextcord, disnake and py-cord themselves, led to a running bridge by the session adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from tests.clients.installing import python_client

WEBHOOK = f"/api/webhooks/{'1' * 18}/{'t' * 68}"
LIBRARIES = {"discord-py": "discord", "nextcord": "nextcord", "disnake": "disnake", "py-cord": "discord"}
pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@dataclass
class Heard:
    """What a server was asked."""

    url: str
    paths: list[str] = field(default_factory=list)


@contextmanager
def heard(redirect: str | None = None) -> Iterator[Heard]:
    """A server that answers everything with 204, or sends everybody elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.paths.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(307 if redirect else 204)
            if redirect:
                self.send_header("Location", redirect)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Heard(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    """A library, installed."""
    python_client(request.param)
    return request.param


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> str:
    """Which of its two kinds of webhook."""
    return request.param


@pytest.fixture
def bot(bridge, speak, library, how):
    """Starts a bot of that library as a source of its own; what it returns waits for what the bot saw."""

    def start(what: str, name: str | None = None, url: str | None = None):
        url = url or bridge.webhook(name or f"{library}-{how}-{what}")
        return speak(
            "discord_family.py", LIBRARIES[library], how, what, client=python_client(library), url=url
        )

    return start


def test_a_bot_is_answered_as_by_discord_and_what_it_says_is_stored_whole(bridge, bot, library, how):
    """Nothing without wait, a message with it, embeds, files, and errors of the library's own kinds.

    Each message is on the stream once and in order, embeds as they were sent, what else was said beside them.
    """
    said = bot("talk")()

    assert said["quiet"] is None
    assert said["waited"] == ["waited", "SPY squeeze", "$590.00", "Squeeze"]
    assert said["many"] == [f"e{n}" for n in range(10)]
    assert said["file"] == ["levels.csv", 18]
    assert said["shown"] == [True, f"{library}-{how}-talk"]
    assert said["empty"] == ["HTTPException", 400, 50006]
    assert said["unknown"] == ["NotFound", 404, 10015]
    assert said["elsewhere"] == "never left"

    quiet, waited, many, filed = bridge.alerts(f"{library}-{how}-talk")
    assert quiet.content == "quiet"
    assert waited.embed["title"] == waited.title == "SPY squeeze"
    assert waited.embed["fields"] == [{"name": "Price", "value": "$590.00", "inline": True}]
    assert (waited.embed["color"], waited.embed["footer"]) == (0xFF9500, {"text": "squeeze_checker"})
    assert waited.labels["discord.username"] == "Squeeze"
    assert [many.embed["title"], *(each["title"] for each in many.more_embeds)] == [
        f"e{n}" for n in range(10)
    ]
    assert '"levels.csv"' in filed.labels["discord.attachments"]


def test_a_bot_edits_reads_and_deletes_what_it_sent(bridge, bot, library, how):
    """By the message that the library made of the answer; each is an alert of its own on the stream."""
    said = bot("change")()

    assert said["edited"] == [True, "second words"]
    assert said["fetched"] == [True, "second words"]
    assert said["gone"] == ["NotFound", 404, 10008]
    first, edit, deletion = bridge.alerts(f"{library}-{how}-change")
    assert (first.content, edit.content) == ("first words", "second words")
    assert edit.labels["discord.edits"] == deletion.labels["discord.deletes"]


def test_a_bot_that_is_too_quick_waits_as_it_is_told(bridge, bot, library, how):
    """Of two in a row, the second is told 429 and when to come back: it does, and neither is lost."""
    before = bridge.count("rate_limited")
    said = bot("hurry")()

    assert said == {"contents": ["one", "two"]}
    assert [alert.content for alert in bridge.alerts(f"{library}-{how}-hurry")] == ["one", "two"]
    assert bridge.count("rate_limited") > before


def test_a_bot_waits_for_a_bus_that_is_away(bridge, bot, library, how):
    """It is told 503, and tries again by itself; the message is stored once."""
    before = bridge.count("unavailable")
    bridge.nats.kill()
    bridge.until(lambda: not bridge.ready())
    try:
        ended = bot("send")
        bridge.until(lambda: bridge.count("unavailable") > before)
    finally:
        bridge.nats.start()
        bridge.until(bridge.ready)

    assert ended() == {"content": "patience"}
    assert [alert.content for alert in bridge.alerts(f"{library}-{how}-send")] == ["patience"]


def test_nobody_redirects_a_bot_elsewhere(bot, library, how):
    """Who pretends to be the bridge, and sends the bot to another address, gets no further."""
    with heard() as elsewhere, heard(redirect=f"{elsewhere.url}/taken") as liar:
        said = bot("redirected", url=liar.url + WEBHOOK)()

    assert said["ended"] in {"OtherAddress", "HTTPException"}
    assert (len(liar.paths), elsewhere.paths) == (1, [])
