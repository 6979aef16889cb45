"""requests, aiohttp, httpx, discord-webhook and Apprise themselves: only the URL is the bridge's."""

from __future__ import annotations

import pytest
from tests.clients.installing import python_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture
def client(bridge, speak):
    """Runs a client as a source of its own; returns what it was answered."""

    def run(name: str, **environ: str):
        words = {"client": python_client("plain"), "url": bridge.webhook(name), **environ}
        return speak("plain_clients.py", name, **words)()

    return run


@pytest.mark.parametrize("name", ["requests", "httpx", "aiohttp"])
def test_a_general_http_client_posts_json_forms_and_files(bridge, client, name):
    """204 without wait, the message with it; an unknown webhook is told as Discord tells it."""
    said = client(name)

    assert said["quiet"] in (200, 204)
    assert said == {
        "quiet": 204,
        "waited": "look",
        "form": 204,
        "file": "levels.csv",
        "unknown": [404, 10015],
    }
    alerts = bridge.alerts(name)
    assert {alert.content for alert in alerts} == {"look", "a form"}
    embeds = [alert.embed for alert in alerts if alert.embed is not None]
    assert embeds == [{"title": "SPY squeeze", "color": 0xFF9500}] * len(embeds)
    assert len(embeds) == len(alerts) - 1
    assert sum("discord.attachments" in alert.labels for alert in alerts) == 1


def test_discord_webhook_is_content(bridge, client):
    """It posts, edits, deletes and uploads; its embeds say null for what they lack."""
    said = client("discord-webhook")

    assert said["waited"] == [200, "look", True]
    assert said["edited"] == [200, "edited"]
    assert said["deleted"] == 204
    assert said["file"] == "levels.csv"
    assert said["async"] == 200
    assert said["unknown"] == 404
    alerts = bridge.alerts("discord-webhook")
    assert alerts[0].content == "look"
    assert alerts[0].embed["title"] == "SPY squeeze"
    assert alerts[0].embed["fields"][0]["value"] == "$590.00"


def test_apprise_notifies_by_its_generic_json(bridge, client):
    """Title and message arrive, the type as severity; a URL that nobody gave out is a failure to it."""
    source = bridge.sources["apprise"]
    place = bridge.url.removeprefix("http://")
    said = client(
        "apprise",
        APPRISE_URL=f"json://{place}/in/apprise/{source.id}/{source.token}",
        APPRISE_UNKNOWN_URL=f"json://{place}/in/apprise/{'9' * 18}/{'x' * 68}",
    )

    assert said == {"taken": True, "unknown": False}
    (alert,) = bridge.alerts("apprise")
    assert (alert.title, alert.content, alert.severity) == ("SPY squeeze", "score 81", "warning")


def test_each_understands_that_the_bus_is_away(bridge, client):
    """503 and when to come back, or a plain failure; and nothing of it is stored afterwards."""
    source = bridge.sources["away"]
    place = f"{bridge.url.removeprefix('http://')}/in/apprise/{source.id}/{source.token}"
    bridge.nats.kill()
    bridge.until(lambda: not bridge.ready())
    try:
        said = client("away", APPRISE_URL=f"json://{place}")
    finally:
        bridge.nats.start()
        bridge.until(bridge.ready)

    told = {name: [503, True] for name in ("requests", "httpx", "aiohttp", "discord-webhook")}
    assert said == {**told, "apprise": False}
    assert bridge.alerts("away") == []
