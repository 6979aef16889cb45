"""Handing alerts to Apprise, which posts to a real server of the test's."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from alert_bridge.carried import Carried
from alert_bridge.destinations.apprise import AppriseDestination
from alert_bridge.destinations.apprise_message import pack
from alert_bridge.destinations.build import build
from alert_bridge.destinations.destination import Delivered, Later, Stopped
from alert_bridge.destinations.spec import AppriseSpec
from alert_bridge.reasons import Wait
from baleen_contracts.alert import Alert
from baleen_runtime.clock import SystemClock

NOW = "2026-04-27T14:31:02Z"


def carried(seq: int = 1, **said: Any) -> Carried:
    """An alert as a worker offers it."""
    alert = Alert(**{"id": f"a{seq}", "alert_type": "dp_alert", "source": "bot", "occurred_at": NOW, **said})
    return Carried(seq, alert, alert.occurred_at)


def service(stranger: Any, *, allow_private: bool = True, **settings: float) -> AppriseDestination:
    """A destination that posts JSON to the stranger."""
    url = SecretStr(f"json://me:secret-pass@127.0.0.1:{stranger.port}/secret-path")
    spec = AppriseSpec(type="apprise", url=url, allow_private=allow_private)
    return AppriseDestination("phone", spec, **settings)


async def test_an_alert_becomes_a_title_and_a_text(stranger: Any):
    """With Apprise's own word for how much it matters."""
    destination = service(stranger)
    alert = carried(
        title="Dark pool", severity="error", embed={"title": "T", "fields": [{"name": "n", "value": "v"}]}
    )

    verdict = await destination.send(destination.pack([alert, carried(2)]).body)

    assert verdict == Delivered()
    said = stranger.posts[0].json
    assert said["title"] == "Dark pool"
    assert said["message"] == "Dark pool\nT\nn: v"
    assert said["type"] == "failure"


async def test_what_apprise_could_not_deliver_is_tried_again(stranger: Any):
    """It tells no status: a failure may be anything."""
    destination = service(stranger)
    stranger.says(500)

    verdict = await destination.send(destination.pack([carried()]).body)

    assert verdict == Later(Wait.SERVER_ERROR, detail="Apprise could not deliver it")


async def test_redirects_are_not_followed(stranger: Any):
    """They could lead anywhere."""
    destination = service(stranger)
    stranger.says(302, b"", {"Location": f"http://127.0.0.1:{stranger.port}/elsewhere"})

    assert isinstance(await destination.send(destination.pack([carried()]).body), Later)
    assert len(stranger.asked) == 1


async def test_a_notification_that_hangs_keeps_the_next_one_waiting_not_the_bridge(stranger: Any):
    """Its thread cannot be ended: two at a time would lose the order."""
    destination = service(stranger, within=0.3)
    body = destination.pack([carried()]).body
    await destination.send(body)
    stranger.falls_silent()

    still = Later(Wait.UNREACHABLE, detail="the last notification is still under way")

    assert (await destination.send(body)).detail == "Apprise was not done in time"
    assert await destination.send(body) == still
    assert len(stranger.asked) == 2

    await stranger.__aexit__()
    async with asyncio.timeout(20):
        while await destination.send(body) == still:  # noqa: ASYNC110 - the thread tells nobody when it ends
            await asyncio.sleep(0.05)


async def test_a_host_that_is_not_public_stops_the_destination(stranger: Any):
    """As with every other destination outside."""
    destination = service(stranger, allow_private=False)

    verdict = await destination.send(destination.pack([carried()]).body)

    assert isinstance(verdict, Stopped)
    assert "allow_private" in verdict.detail
    assert not stranger.asked


async def test_a_token_is_never_taken_for_a_host(monkeypatch: pytest.MonkeyPatch):
    """Where a service has its own host, the URL's first part is a secret: no resolver may hear of it."""
    heard: list[str] = []

    async def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        heard.append(host)
        raise socket.gaierror

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    spec = AppriseSpec(type="apprise", url=SecretStr("pover://" + "u" * 30 + "@" + "a" * 30))
    destination = build("phone", spec, clock=SystemClock())
    monkeypatch.setattr("requests.post", lambda *_, **__: (_ for _ in ()).throw(OSError()))

    await destination.send(destination.pack([carried()]).body)

    assert heard == []


async def test_a_url_that_apprise_does_not_understand_stops_the_destination():
    """An operator must put it right."""
    destination = build(
        "phone", AppriseSpec(type="apprise", url=SecretStr("nothing://x")), clock=SystemClock()
    )

    assert isinstance(await destination.send(destination.pack([carried()]).body), Stopped)


@pytest.mark.parametrize(
    "url",
    [
        "discord://123/secret",
        "https://discord.com/api/webhooks/1/secret",
        "https://Canary.DiscordApp.com/api/webhooks/1/secret",
        "syslog://secret",
        " DBUS://secret",
        "windows://secret",
        "gnome://secret",
        "macosx://secret",
        "kde://secret",
        "file:///secret",
        "secret",
    ],
)
def test_discord_and_services_of_this_machine_are_refused_with_a_sentence(url: str):
    """Discord has limits that Apprise does not keep."""
    with pytest.raises(ValidationError) as refusal:
        AppriseSpec(type="apprise", url=SecretStr(url))

    assert "secret" not in refusal.value.errors(include_input=False)[0]["msg"]


def test_a_long_alert_is_cut_with_a_mark():
    """Apprise splits what its service cannot take in one, but not without end."""
    body = pack([carried(content="x" * 20_000)], digest=False).body

    assert len(body.text) == 4_000
    assert body.text.endswith("(cut; whole alert: a1)")


def test_a_digest_has_a_line_for_each_alert():
    """And the severity of its worst."""
    packed = pack(
        [carried(seq, title=f"t{seq}", severity=s) for seq, s in enumerate(["info", "critical"])], digest=True
    )

    assert packed.covers == 2
    assert packed.body.title == "2 alerts"
    assert packed.body.text == "• t0\n• t1"
    assert packed.body.kind == "failure"


async def test_apprise_prints_nothing(stranger: Any, caplog: pytest.LogCaptureFixture):
    """Its lines hold URLs, and those hold secrets."""
    caplog.set_level(logging.DEBUG)
    destination = service(stranger)
    stranger.says(500)
    await destination.send(destination.pack([carried()]).body)

    assert "secret" not in caplog.text
