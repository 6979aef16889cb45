"""Handing alerts to a receiver of Standard Webhooks, which checks with the standard's own library."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

from alert_bridge.carried import Carried
from alert_bridge.destinations import outward
from alert_bridge.destinations.build import build
from alert_bridge.destinations.destination import Delivered, Later, Rejected, Stopped
from alert_bridge.destinations.spec import WebhookSpec
from alert_bridge.destinations.webhook import WebhookDestination
from alert_bridge.destinations.webhook_message import verdict_of
from alert_bridge.reasons import Wait
from baleen_contracts.alert import Alert
from baleen_runtime.clock import SystemClock

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def carried(seq: int = 1, replays: int = 0, **said: Any) -> Carried:
    """An alert as a worker offers it."""
    given = {"id": f"a{seq}", "alert_type": "dp_alert", "source": "bot", "occurred_at": NOW, **said}
    return Carried(seq, Alert(**given), NOW, replays)


@pytest.fixture
async def webhook(stranger: Any) -> AsyncIterator[Callable[..., WebhookDestination]]:
    """Makes destinations that the stranger serves."""
    made: list[WebhookDestination] = []

    def make(url: str = "", name: str = "desk", *, allow_private: bool = True) -> WebhookDestination:
        spec = WebhookSpec(
            type="webhook",
            url=SecretStr(url or stranger.url),
            secret=SecretStr(SECRET),
            allow_private=allow_private,
        )
        destination = build(name, spec, clock=SystemClock())
        assert isinstance(destination, WebhookDestination)
        made.append(destination)
        return destination

    yield make
    for destination in made:
        await destination.close()


async def test_an_alert_is_sent_whole_and_signed(webhook: Any, stranger: Any):
    """The standard's own library finds the signature good."""
    destination = webhook()
    alert = carried(title="Dark pool", symbol="SPY", embed={"title": "t"})

    verdict = await destination.send(destination.pack([alert, carried(2)]).body)

    assert verdict == Delivered(200)
    (post,) = stranger.posts
    said = Webhook(SECRET).verify(post.body, post.headers)
    assert said["type"] == "alert.v1.alert"
    assert said["timestamp"] == "2026-04-27T14:31:02Z"
    assert said["data"] == json.loads(alert.alert.to_json())


async def test_a_repeat_has_the_same_id_and_body(webhook: Any, stranger: Any):
    """By which receivers take each alert once; a bridge that was killed makes the same again."""
    for destination in (webhook(), webhook()):
        await destination.send(destination.pack([carried()]).body)

    first, second = stranger.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_another_alert_destination_or_replay_has_another_id(webhook: Any):
    """A receiver must not take them for repeats, although their ids may be alike."""
    packed = [
        webhook().pack([carried()]),
        webhook().pack([carried(2)]),
        webhook().pack([carried(source="other", id="b")]),
        webhook().pack([carried(2, id="a1")]),
        webhook().pack([carried(source="other")]),
        webhook(name="other").pack([carried()]),
        webhook().pack([carried(replays=1)]),
        webhook().pack([carried(), carried(2)], digest=True),
    ]

    assert len({one.body.id for one in packed}) == len(packed)


async def test_a_digest_holds_all_alerts_and_says_how_many_it_leaves_out(webhook: Any, stranger: Any):
    """Bounded, whatever waits."""
    destination = webhook()
    waiting = [carried(seq, content="x" * 20_000) for seq in range(30)]

    packed = destination.pack(waiting, digest=True)
    await destination.send(packed.body)

    assert packed.covers == 30
    said = Webhook(SECRET).verify(stranger.posts[0].body, stranger.posts[0].headers)
    assert said["type"] == "alert.v1.digest"
    assert said["data"]["count"] == 30
    assert len(said["data"]["alerts"]) + said["data"]["not_shown"] == 30
    assert 0 < said["data"]["not_shown"] < 30


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Delivered),
        (202, Delivered),
        (204, Delivered),
        (301, Stopped),
        (307, Stopped),
        (400, Rejected),
        (401, Stopped),
        (403, Stopped),
        (404, Stopped),
        (408, Later),
        (410, Stopped),
        (413, Rejected),
        (422, Rejected),
        (429, Later),
        (500, Later),
        (503, Later),
    ],
)
async def test_what_a_receiver_answers_decides(webhook: Any, stranger: Any, status: int, kind: type):
    """Gone or locked stops, wrong is dropped, and what may pass is tried again."""
    destination = webhook()
    stranger.says(status, b"" if status == 204 else b"said")

    verdict = await destination.send(destination.pack([carried()]).body)

    assert type(verdict) is kind
    assert verdict.status == status


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("1000000", 3600.0),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_the_time_to_wait_is_obeyed_in_both_its_forms(status: int, told: str, seconds: float | None):
    """Seconds or a date; a time beyond reason is cut to an hour."""
    verdict = verdict_of(status, {"retry-after": told}, NOW)

    assert isinstance(verdict, Later)
    assert verdict.after == seconds
    assert verdict.failed is (status == 503)


async def test_nobody_there_and_no_answer_are_told_apart(webhook: Any, stranger: Any):
    """Only what may have arrived is in doubt."""
    away = webhook(stranger.url.replace(str(stranger.port), "1"))
    assert (await away.send(away.pack([carried()]).body)).why is Wait.UNREACHABLE

    here = webhook()
    stranger.cuts()
    assert (await here.send(here.pack([carried()]).body)).why is Wait.NO_ANSWER


async def test_silence_ends_in_time(webhook: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch):
    """A receiver that never answers keeps the next alert waiting no longer than that."""
    monkeypatch.setattr(outward, "WITHIN", 0.3)
    destination = webhook()
    stranger.falls_silent()

    assert (await destination.send(destination.pack([carried()]).body)).why is Wait.NO_ANSWER


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"]
)
async def test_an_address_that_is_not_public_stops_the_destination(webhook: Any, stranger: Any, host: str):
    """An operator must say that it is meant."""
    destination = webhook(f"https://{host}:{stranger.port}/hook", allow_private=False)

    verdict = await destination.send(destination.pack([carried()]).body)

    assert isinstance(verdict, Stopped)
    assert "allow_private" in verdict.detail
    assert not stranger.asked


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("http://example.com/hook", SECRET),
        ("https://me:hunter2@example.com/hook", SECRET),
        ("https://:@example.com/hook", SECRET),
        ("ftp://example.com", SECRET),
        ("https://", SECRET),
        ("https://example.com:99999/", SECRET),
        ("example.com", SECRET),
        ("https://example.com/hook", "whsec_c2hvcnQ="),
        ("https://example.com/hook", "whsec_!!!!"),
        ("https://example.com/hook", ""),
    ],
)
def test_a_wrong_url_or_secret_is_refused_where_it_is_written(url: str, secret: str):
    """With a sentence that holds neither."""
    with pytest.raises(ValidationError) as refusal:
        WebhookSpec(type="webhook", url=SecretStr(url), secret=SecretStr(secret))

    message = refusal.value.errors(include_input=False)[0]["msg"]
    assert "hunter2" not in message
    assert "example" not in message


async def test_a_url_that_no_client_can_use_stops_the_destination(webhook: Any):
    """What looks like an address and is none is found when it is used."""
    destination = webhook("https://0177.0.0.1/hook", allow_private=False)

    assert isinstance(await destination.send(destination.pack([carried()]).body), Stopped)
