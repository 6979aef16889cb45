"""Saying alerts on Discord: real requests to a real server that answers as Discord documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from alert_bridge.carried import Carried
from alert_bridge.destinations import outward
from alert_bridge.destinations.build import build
from alert_bridge.destinations.destination import Delivered, Later, Rejected, Stopped
from alert_bridge.destinations.discord import DiscordDestination
from alert_bridge.destinations.discord_address import address_of
from alert_bridge.destinations.discord_limits import Limits
from alert_bridge.destinations.spec import DiscordSpec
from alert_bridge.reasons import Wait
from baleen_contracts.alert import Alert
from baleen_runtime.clock import SystemClock

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
CLOCK = SystemClock()


def carried(seq: int = 1, **said: Any) -> Carried:
    """An alert as a worker offers it."""
    given = {"id": f"a{seq}", "alert_type": "dp_alert", "source": "bot", "occurred_at": NOW, **said}
    return Carried(seq, Alert(**given), NOW)


@pytest.fixture
async def discord(stranger: Any) -> AsyncIterator[Callable[..., DiscordDestination]]:
    """Makes destinations that the stranger serves, with limits of the test's own."""
    made: list[DiscordDestination] = []
    limits = Limits()

    def make(url: str = "", **spec: Any) -> DiscordDestination:
        given = DiscordSpec(type="discord", url=SecretStr(url or stranger.url), **spec)
        destination = build("alpha", given, clock=CLOCK, limits=limits)
        assert isinstance(destination, DiscordDestination)
        made.append(destination)
        return destination

    yield make
    for destination in made:
        await destination.close()


async def say(destination: DiscordDestination, **said: Any) -> Any:
    """Pack one alert and send it."""
    return await destination.send(destination.pack([carried(**said)]).body)


async def test_a_message_is_sent_with_wait_and_its_id_reported(discord: Any, stranger: Any):
    """The id is what proves that the message was saved, and what lets it be edited."""
    verdict = await say(discord(), title="Dark pool", symbol="SPY")

    assert verdict == Delivered(200, "99")
    (post,) = stranger.posts
    assert post.query == {"wait": "true"}
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"].startswith("DiscordBot (")
    assert post.json["embeds"][0]["title"] == "Dark pool"
    assert post.json["allowed_mentions"] == {"parse": []}


async def test_the_channel_is_asked_for_once_before_the_first_message(discord: Any, stranger: Any):
    """Limits are the channel's, so it must be known before anything is said there."""
    destination = discord()
    await say(destination, title="a")
    await say(destination, title="b")

    assert [asked.method for asked in stranger.asked] == ["GET", "POST", "POST"]


async def test_a_host_that_does_not_know_the_webhook_by_get_takes_messages_all_the_same(
    discord: Any, stranger: Any
):
    """Proxies that only pass messages on are served too."""
    stranger.says(405)

    assert await say(discord(), title="a") == Delivered(200, "99")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": 50035, "message": "Invalid Form Body"}, Rejected),
        (400, {"code": 50006, "message": "Cannot send an empty message"}, Rejected),
        (400, {"code": 50109, "message": "invalid JSON"}, Rejected),
        (413, {"code": 40005, "message": "Request entity too large"}, Rejected),
        (404, {"code": 10015, "message": "Unknown Webhook"}, Stopped),
        (401, {"code": 50027, "message": "Invalid Webhook Token"}, Stopped),
        (403, {"code": 50013, "message": "Missing Permissions"}, Stopped),
        (404, {"code": 0, "message": "404: Not Found"}, Stopped),
        (401, b"", Stopped),
        (403, b"", Stopped),
        (404, b"", Stopped),
        (400, {"code": 220001, "message": "Webhooks posted to forum channels must have a thread"}, Stopped),
        (400, {"code": 220004, "message": "x"}, Stopped),
        (400, {"code": 50083, "message": "Thread is archived"}, Stopped),
        (400, {"code": 160005, "message": "Thread is locked"}, Stopped),
        (301, b"", Stopped),
        (500, b"", Later),
        (502, b"<html>Bad Gateway</html>", Later),
        (503, {"message": "x", "code": 0}, Later),
    ],
)
async def test_what_discord_answers_decides(discord: Any, stranger: Any, status: int, body: Any, kind: type):
    """A wrong message is dropped, a wrong address stops, and what may pass is tried again."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(status, body)

    verdict = await say(discord(), title="a")

    assert type(verdict) is kind
    assert verdict.status == status


@pytest.mark.parametrize(
    ("status", "why"), [(500, Wait.NO_ANSWER), (504, Wait.NO_ANSWER), (503, Wait.SERVER_ERROR)]
)
async def test_a_failure_that_may_have_taken_the_message_is_told_apart(
    discord: Any, stranger: Any, status: int, why: Wait
):
    """A gateway that gave up on Discord does not know either: it may be said twice."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(status, b"")

    verdict = await say(discord(), title="a")

    assert isinstance(verdict, Later)
    assert verdict.why is why


async def test_a_gone_webhook_stops_before_a_message_is_sent(discord: Any, stranger: Any):
    """A 404 is not asked for twice: Discord shuts out who does."""
    stranger.says(404, {"code": 10015, "message": "Unknown Webhook"})

    assert isinstance(await say(discord(), title="a"), Stopped)
    assert not stranger.posts


async def test_a_rejection_names_the_fields_that_discord_names(discord: Any, stranger: Any):
    """A dead letter must say what was wrong."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    wrong = {"embeds": {"0": {"title": {"_errors": [{"code": "X", "message": "Must be 256 or fewer"}]}}}}
    stranger.says(400, {"code": 50035, "message": "Invalid Form Body", "errors": wrong})

    verdict = await say(discord(), title="a")

    assert "embeds.0.title Must be 256 or fewer" in verdict.detail


async def test_a_limit_pauses_every_webhook_of_the_channel_for_the_time_in_the_body(
    discord: Any, stranger: Any
):
    """The body counts, not the reset header, and the limit is the channel's."""
    first, second = discord(), discord(stranger.url.replace("1234567890", "555"))
    await say(first, title="a")
    await say(second, title="a")
    headers = {"X-RateLimit-Scope": "shared", "Retry-After": "1337", "X-RateLimit-Reset-After": "64"}
    stranger.says(429, {"message": "slow", "retry_after": 1336.57, "global": False}, headers)

    verdict = await say(first, title="b")

    assert verdict.why is Wait.RATE_LIMITED
    assert not verdict.failed
    assert verdict.after == 1336.57
    assert 1330 < second.ready_in(CLOCK.monotonic()) <= 1336.57


async def test_a_limit_of_another_channel_is_none_of_ours(discord: Any, stranger: Any):
    """Only a global limit stops everybody."""
    first, second = discord(), discord(stranger.url.replace("1234567890", "555"))
    await say(first, title="a")
    stranger.says(200, {"id": "1", "channel_id": "another"})
    await say(second, title="a")
    stranger.says(429, {"retry_after": 30.0})
    await say(first, title="b")
    assert second.ready_in(CLOCK.monotonic()) == 0

    stranger.says(429, {"retry_after": 60.0, "global": True})
    await say(second, title="b")

    assert first.ready_in(CLOCK.monotonic()) > 50


async def test_a_mad_pause_is_cut_to_an_hour_and_said(discord: Any, stranger: Any):
    """Milliseconds taken for seconds would silence a destination for days."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(429, {"retry_after": 64_000_000})

    verdict = await say(discord(), title="a")

    assert verdict.after == 3600
    assert "hardly meant" in verdict.detail


@pytest.mark.parametrize("status", [429, 403])
async def test_a_page_instead_of_an_answer_silences_all_webhooks_for_long(
    discord: Any, stranger: Any, status: int
):
    """The network before Discord has shut this address out: more requests make it worse."""
    first, second = discord(), discord(stranger.url.replace("1234567890", "555"))
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(status, b"<html>error code: 1015</html>", {"Content-Type": "text/html"})

    verdict = await say(first, title="a")

    assert isinstance(verdict, Later)
    assert verdict.after == 60
    assert second.ready_in(CLOCK.monotonic()) > 50
    assert isinstance(await say(second, title="b"), Later)
    assert len(stranger.asked) == 2


async def test_each_page_in_a_row_silences_longer_up_to_a_quarter_of_an_hour(stranger: Any):
    """Until an answer of Discord's own ends the row."""
    clock = HandedClock()
    spec = DiscordSpec(type="discord", url=SecretStr(stranger.url))
    destination = build("alpha", spec, clock=clock, limits=Limits())
    stranger.says(200, {"id": "1", "channel_id": "5"})
    for _ in range(6):
        stranger.says(429, b"error code: 1015")

    waits = []
    for _ in range(6):
        waits.append((await say(destination, title="a")).after)
        clock.at += waits[-1]
    await say(destination, title="a")
    stranger.says(429, b"error code: 1015")
    waits.append((await say(destination, title="a")).after)
    await destination.close()

    assert waits == [60, 120, 240, 480, 900, 900, 60]


class HandedClock:
    """A clock that the test moves."""

    at = 1000.0

    def now(self) -> datetime:
        """The wall clock, which nobody asks here."""
        return NOW

    def monotonic(self) -> float:
        """Where the test has moved it."""
        return self.at


async def test_a_page_that_says_how_long_is_believed(discord: Any, stranger: Any):
    """Retry-After of the network before Discord is in seconds."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(429, b"error code: 1015", {"Retry-After": "2"})

    assert (await say(discord(), title="a")).after == 2


async def test_nobody_there_is_known_to_have_sent_nothing(discord: Any, stranger: Any):
    """What was never sent may be sent again without a doubt."""
    destination = discord(stranger.url.replace(str(stranger.port), "1"))

    verdict = await say(destination, title="a")

    assert verdict.why is Wait.UNREACHABLE
    assert verdict.failed


async def test_a_connection_that_ends_after_the_message_leaves_a_doubt(discord: Any, stranger: Any):
    """It may have been taken: that is not the same as unreachable."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.cuts()

    assert (await say(discord(), title="a")).why is Wait.NO_ANSWER


async def test_silence_after_the_message_ends_in_time_and_leaves_a_doubt(
    discord: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
):
    """A message that was taken without an answer is not taken for lost."""
    monkeypatch.setattr(outward, "WITHIN", 0.3)
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.falls_silent()

    assert (await say(discord(), title="a")).why is Wait.NO_ANSWER


async def test_a_success_that_is_no_message_is_not_believed(discord: Any, stranger: Any):
    """A page of some network in between says 200 as well."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(200, b"<html>please sign in</html>")

    assert (await say(discord(), title="a")).why is Wait.NO_ANSWER


async def test_an_answer_without_end_is_not_read_to_its_end(discord: Any, stranger: Any):
    """Bounded also against who answers."""
    stranger.says(200, {"id": "1", "channel_id": "5"})
    stranger.says(200, b"x" * 3 * 1024 * 1024)

    assert (await say(discord(), title="a")).why is Wait.NO_ANSWER


async def test_two_destinations_in_one_channel_keep_its_limit_together(discord: Any, stranger: Any):
    """Several webhooks do not multiply what a channel takes."""
    first = discord(channel_messages=3)
    second = discord(stranger.url.replace("1234567890", "555"), channel_messages=3)
    for destination in (first, second, first):
        assert isinstance(await say(destination, title="a"), Delivered)

    assert second.ready_in(CLOCK.monotonic()) > 50
    verdict = await say(second, title="b")
    assert verdict.why is Wait.RATE_LIMITED
    assert not verdict.failed
    assert len(stranger.posts) == 3


async def test_a_webhooks_limit_is_learned_from_its_headers(discord: Any, stranger: Any):
    """More than the known five in two seconds go, once a header allows them."""
    headers = {"X-RateLimit-Limit": "10", "X-RateLimit-Reset-After": "30"}
    destination = discord()
    stranger.says(200, {"id": "1", "channel_id": "5"})
    for left in range(9, -1, -1):
        stranger.says(200, {"id": "1"}, headers | {"X-RateLimit-Remaining": str(left)})
        assert destination.ready_in(CLOCK.monotonic()) == 0
        assert isinstance(await say(destination, title="a"), Delivered)

    assert 29 < destination.ready_in(CLOCK.monotonic()) < 31


async def test_a_message_in_a_thread_is_edited_and_deleted_there(discord: Any, stranger: Any):
    """Discord finds a message in a thread only with the thread's id."""
    destination = discord()
    packed = destination.pack([carried(title="a", labels={"discord.thread_id": "42"})])
    verdict = await destination.send(packed.body)
    assert verdict == Delivered(200, "42/99")
    assert stranger.asked[-1].query == {"wait": "true", "thread_id": "42"}

    await destination.edit(verdict.remote_id, packed.body)
    await destination.delete(verdict.remote_id)

    edit, delete = stranger.asked[-2:]
    assert (edit.method, edit.query) == ("PATCH", {"thread_id": "42"})
    assert edit.path.endswith("/messages/99")
    assert (delete.method, delete.query) == ("DELETE", {"thread_id": "42"})


async def test_a_thread_of_the_url_counts_before_one_that_would_be_made(discord: Any, stranger: Any):
    """Discord refuses a message that names both."""
    destination = discord(stranger.url + "?thread_id=42")

    await say(destination, title="a", labels={"discord.thread_name": "new"})

    (post,) = stranger.posts
    assert post.query["thread_id"] == "42"
    assert "thread_name" not in post.json


async def test_only_what_has_a_body_says_of_what_kind(discord: Any, stranger: Any):
    """An empty body is no JSON."""
    await discord().delete("5")

    assert "content-type" not in stranger.asked[0].headers


async def test_an_edit_says_only_what_can_be_edited(discord: Any, stranger: Any):
    """Who speaks and where is settled when a message is sent."""
    destination = discord()
    labels = {"discord.username": "Bot", "discord.flags": "4096"}

    assert await destination.edit("5", destination.pack([carried(content="b", labels=labels)]).body)

    assert stranger.asked[-1].json == {"allowed_mentions": {"parse": []}, "content": "b"}


async def test_a_message_that_is_gone_cannot_be_edited_and_need_not_be_deleted(discord: Any, stranger: Any):
    """Somebody removed it by hand: that stops no destination."""
    destination = discord()
    gone = {"code": 10008, "message": "Unknown Message"}
    stranger.says(404, gone)
    stranger.says(404, gone)

    assert isinstance(await destination.edit("5", destination.pack([carried(title="a")]).body), Rejected)
    assert await destination.delete("5") == Delivered(404)


async def test_a_cancelled_message_counts_towards_the_limits(discord: Any, stranger: Any):
    """It may have arrived, so its place is not given away."""
    destination = discord(channel_messages=2)
    await say(destination, title="a")
    stranger.falls_silent()
    stranger.heard.clear()
    task = asyncio.create_task(say(destination, title="b"), name="to be cancelled")
    await stranger.heard.wait()
    task.cancel()
    await asyncio.wait({task})

    assert destination.ready_in(CLOCK.monotonic()) > 50


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/123/a-b_c",
        "https://discordapp.com/api/webhooks/123/a-b_c?wait=true",
        "https://discordapp.com/api/v6/webhooks/123/a-b_c/",
        "https://canary.discord.com/api/v9/webhooks/123/a-b_c/slack",
        "http://discord.com/api/v10/webhooks/123/a-b_c/github",
    ],
)
def test_every_spelling_of_a_discord_webhook_becomes_version_ten(url: str):
    """An address without a version means the oldest API, whose errors say nothing."""
    assert address_of(url, allow_private=False).base == "https://discord.com/api/v10/webhooks/123/a-b_c"


def test_a_thread_in_the_url_is_where_messages_go():
    """People copy such URLs from other tools."""
    assert (
        address_of("https://discord.com/api/webhooks/1/x?thread_id=42", allow_private=False).thread_id == "42"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/channels/1/2",
        "ftp://discord.com/api/webhooks/1/x",
        "not a url",
        "https://[::1/api",
        "https://me:secret@discord.com/api/webhooks/1/x",
        "http://example.com/api/webhooks/1/x",
        "http://10.0.0.1/api/webhooks/1/x",
        "https://discord.com/api/webhooks/1/x?thread_id=abc",
    ],
)
def test_a_wrong_address_is_refused_where_it_is_written_without_being_repeated(url: str):
    """The rules name the fault to the line; the URL itself is a secret."""
    with pytest.raises(ValidationError) as refusal:
        DiscordSpec(type="discord", url=SecretStr(url))

    assert url not in refusal.value.errors(include_input=False)[0]["msg"]


async def test_another_host_must_be_public_unless_allowed(discord: Any):
    """A proxy in a private network is a wish that must be said."""
    verdict = await say(discord("https://10.255.255.1/api/webhooks/1/x"), title="a")

    assert isinstance(verdict, Stopped)
    assert "allow_private" in verdict.detail
