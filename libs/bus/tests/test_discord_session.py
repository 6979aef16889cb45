"""A session leads one webhook's requests to the bridge, and reaches nothing else.

What the libraries themselves make of it is tested with them, in tests/clients.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest

from baleen_bus.discord_session import (
    BridgeWebhook,
    OtherAddress,
    aiohttp_session,
    requests_session,
    sync_webhook,
    webhook,
)

ID, TOKEN, OTHER = "123456789012345678", "T0-k_" * 13 + "abc", "o" * 68
PATH = f"/api/webhooks/{ID}/{TOKEN}"
DISCORD = "https://discord.com"


class Heard:
    """A real HTTP server that stands for a bridge, and remembers what it heard."""

    def __init__(self, redirect: str | None = None) -> None:
        heard = self.requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                heard.append((self.path, dict(self.headers), body))
                self.send_response(307 if redirect else 204)
                if redirect:
                    self.send_header("Location", redirect)
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the name that the base class asks for

            def log_message(self, *_said: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def bridge() -> Iterator[Heard]:
    """One that answers 204."""
    with Heard() as heard:
        yield heard


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        (f"{DISCORD}/api/v10/webhooks/{ID}/{TOKEN}", f"/api/v10/webhooks/{ID}/{TOKEN}"),
        (f"{DISCORD}{PATH}?wait=true&a=%20b", f"{PATH}?wait=true&a=%20b"),
        (f"{DISCORD}/api/v8/webhooks/{ID}/{TOKEN}/messages/1", f"/api/v8/webhooks/{ID}/{TOKEN}/messages/1"),
        (f"https://discordapp.com{PATH}", PATH),
        (f"https://canary.discord.com{PATH}", PATH),
        (f"https://DISCORD.com{PATH}", PATH),
    ],
)
def test_what_is_meant_for_the_webhook_goes_to_the_bridge(asked, led):
    """Under the bridge's own path too, and with everything that follows."""
    assert BridgeWebhook(f"http://127.0.0.1:8002{PATH}").address(asked) == f"http://127.0.0.1:8002{led}"
    assert BridgeWebhook(f"https://b.example/x{PATH}/").address(asked) == f"https://b.example/x{led}"


@pytest.mark.parametrize(
    "asked",
    [
        f"{DISCORD}/api/webhooks/{ID}/{OTHER}",
        f"{DISCORD}/api/webhooks/{ID}/{TOKEN}x",
        f"{DISCORD}/api/webhooks/{ID}9/{TOKEN}",
        f"{DISCORD}/api/v10/users/@me",
        f"{DISCORD}/",
        f"http://discord.com{PATH}",
        f"https://discord.com.evil.example{PATH}",
        f"https://evil.example{PATH}",
        f"https://discord.com@evil.example{PATH}",
        f"https://notdiscord.com{PATH}",
        f"http://127.0.0.1:8002{PATH}",
        f"https://cdn.discordapp.com{PATH}",
        "https://[",
        "",
    ],
)
def test_everything_else_is_refused_and_not_repeated(asked):
    """An exception goes to a log, and the address may hold somebody's token."""
    with pytest.raises(OtherAddress) as caught:
        BridgeWebhook(f"http://127.0.0.1:8002{PATH}").address(asked)

    assert TOKEN not in str(caught.value)
    assert OTHER not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"{DISCORD}{PATH}",
        f"https://ptb.discord.com{PATH}",
        f"https://discordapp.com/api/v10/webhooks/{ID}/{TOKEN}",
        f"ftp://bridge{PATH}",
        f"http://user:word@bridge{PATH}",
        f"http://{PATH}",
        f"http://bridge/api/webhooks/12/{TOKEN}",
        f"http://bridge/api/webhooks/{ID}/short",
        f"http://bridge{PATH}/slack",
        "nonsense",
        None,
    ],
)
def test_only_a_webhook_of_the_bridges_may_be_given(url):
    """By every door; with Discord's own address a bot would talk to Discord and believe that it does not."""
    for door in (
        requests_session,
        aiohttp_session,
        lambda u: sync_webhook(object, u),
        lambda u: webhook(object, u),
    ):
        with pytest.raises(OtherAddress) as caught:
            door(url)
        assert TOKEN not in str(caught.value)


def test_a_request_arrives_whole(bridge):
    """Path, query, body and headers; but not what is a secret between a bot and Discord."""
    session = requests_session(bridge.base + PATH)
    answer = session.post(
        f"{DISCORD}/api/v10/webhooks/{ID}/{TOKEN}",
        params={"wait": "true"},
        json={"content": "hello"},
        headers={"Authorization": "Bot hush", "X-Audit-Log-Reason": "why"},
    )

    assert answer.status_code == 204
    ((path, headers, body),) = bridge.requests
    assert path == f"/api/v10/webhooks/{ID}/{TOKEN}?wait=true"
    assert body == b'{"content": "hello"}'
    assert headers["X-Audit-Log-Reason"] == "why"
    assert headers["Host"] == bridge.base.removeprefix("http://")
    assert "Authorization" not in headers


def test_a_proxy_for_discord_is_not_used(bridge, monkeypatch):
    """It would be told the token of the bridge's webhook."""
    with Heard() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        requests_session(bridge.base + PATH).post(DISCORD + PATH, json={})

        assert (len(bridge.requests), len(proxy.requests)) == (1, 0)


def test_nobody_can_redirect_it_elsewhere(bridge):
    """Not even the bridge, or who pretends to be it."""
    for target in (f"{bridge.base}/elsewhere", f"{DISCORD}/api/webhooks/{ID}/{OTHER}", "//127.0.0.1:9/x"):
        with Heard(redirect=target) as liar:
            session = requests_session(liar.base + PATH)
            with pytest.raises(OtherAddress):
                session.post(DISCORD + PATH, json={"content": "hello"})
            assert len(liar.requests) == 1

    assert bridge.requests == []


def test_the_session_reaches_no_other_address(bridge):
    """Neither by http nor by https, nor the bridge itself behind its webhook's back."""
    session = requests_session(bridge.base + PATH)
    for url in (bridge.base + "/metrics", bridge.base + PATH, f"{DISCORD}/api/v10/gateway"):
        with pytest.raises(OtherAddress):
            session.get(url)

    assert bridge.requests == []


class Webhook:
    """What the four libraries have in common."""

    @classmethod
    def partial(cls, *given: object, **named: object) -> tuple[object, ...]:
        """As theirs."""
        return (*given, named)


def test_a_webhook_is_made_of_the_bridges_url():
    """With its number, its token and a session of its own, and whatever else the library takes."""
    number, token, named = sync_webhook(Webhook, f"http://bridge{PATH}", bot_token=None)
    assert (number, token, named["bot_token"]) == (int(ID), TOKEN, None)
    assert type(named["session"]).__name__ == "Session"

    session = aiohttp_session(f"http://bridge{PATH}")
    number, token, named = webhook(Webhook, f"http://bridge{PATH}", session=session)
    assert (number, token, named) == (int(ID), TOKEN, {"session": session})
