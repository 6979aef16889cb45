"""Discord's limits: never broken at its end, whatever the network does, and used nearly to the full."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_bridge.destinations.discord_limits import (
    GLOBAL_REQUESTS,
    MAX_REFUSALS,
    Bucket,
    Lane,
    Limits,
    Window,
)


@dataclass
class PretendedDiscord:
    """Counts arrivals as Discord does: windows per webhook from their first message, a log per channel."""

    messages: int
    seconds: float
    headers: bool
    broken: list[float] = field(default_factory=list)
    _windows: dict[int, tuple[float, int]] = field(default_factory=dict)
    _channel: deque[float] = field(default_factory=deque)

    def takes(self, webhook: int, now: float) -> dict[str, str]:
        """One message arrives; returns the headers of its answer."""
        began, count = self._windows.get(webhook, (now, 0))
        if now >= began + self.seconds:
            began, count = now, 0
        self._windows[webhook] = began, count + 1
        while self._channel and self._channel[0] <= now - 60:
            self._channel.popleft()
        self._channel.append(now)
        if count >= self.messages or len(self._channel) > 30:
            self.broken.append(now)
        if not self.headers:
            return {}
        return {
            "x-ratelimit-limit": str(self.messages),
            "x-ratelimit-remaining": str(max(self.messages - count - 1, 0)),
            "x-ratelimit-reset-after": f"{began + self.seconds - now:.3f}",
        }


def simulate(
    discord: PretendedDiscord, lanes: list[Lane], *, messages: int, seed: int, slowest: float
) -> float:
    """Send *messages* through *lanes*, one at a time each; returns how long it took."""
    delays = random.Random(seed)  # noqa: S311 - a network, not a secret
    now, sent, last = 1000.0, 0, 1000.0
    events: list[tuple[float, int, str, dict[str, str]]] = [
        (now, place, "ready", {}) for place in range(len(lanes))
    ]
    heapq.heapify(events)
    while events:
        now, place, what, headers = heapq.heappop(events)
        lane = lanes[place]
        if what == "arrives":
            answer = discord.takes(place, now)
            heapq.heappush(events, (now + delays.uniform(0, slowest), place, "answered", answer))
            continue
        if what == "answered":
            last = now
            lane.end(now, "POST", headers, 200)
        if sent == messages:
            continue
        if (wait := lane.wait(now, "POST")) > 0:
            heapq.heappush(events, (now + wait, place, "ready", {}))
            continue
        sent += 1
        lane.begin(now, "POST")
        heapq.heappush(events, (now + delays.uniform(0, slowest), place, "arrives", {}))
    return last - 1000.0


def allowed(discord: PretendedDiscord, webhooks: int, messages: int) -> float:
    """The least seconds that Discord's limits allow for *messages*, by whoever knows them all."""
    full, rest = divmod(messages - 1, 30)
    return full * 60 + rest // (discord.messages * webhooks) * discord.seconds


def lanes_of(count: int, **channel: float) -> list[Lane]:
    """Webhooks of one channel, in one process."""
    limits = Limits()
    given_ = {"messages": 28, "seconds": 60.0, **channel}
    lanes = [Lane(limits, host="h", webhook=str(number), **given_) for number in range(count)]
    for lane in lanes:
        lane.in_channel("5")
    return lanes


@settings(max_examples=60)
@given(
    st.integers(1, 3),
    st.sampled_from([(5, 2.0, False), (5, 2.0, True), (3, 1.0, True), (20, 10.0, True)]),
    st.sampled_from([0.0, 0.05, 0.3, 2.0]),
    st.integers(0, 1_000_000),
)
def test_no_limit_is_broken_and_little_is_wasted(
    webhooks: int, limit: tuple[int, float, bool], slowest: float, seed: int
):
    """Five in two seconds and thirty a minute hold at Discord's end; within 1.2 of what they allow."""
    discord = PretendedDiscord(*limit)

    took = simulate(discord, lanes_of(webhooks), messages=300, seed=seed, slowest=slowest)

    assert discord.broken == []
    if slowest <= 0.3:
        assert took <= 1.2 * allowed(discord, webhooks, 300)


@pytest.mark.parametrize("messages", [10, 100, 500])
def test_a_webhooks_own_limit_is_used_to_the_full_once_told(messages: int):
    """Where the channel is no bound, as with limits scaled down."""
    discord = PretendedDiscord(5, 2.0, headers=True)
    discord._channel = deque(maxlen=1)  # a channel without a limit

    took = simulate(
        discord,
        lanes_of(1, messages=1000, seconds=1.0),
        messages=messages,
        seed=7,
        slowest=0.02,
    )

    assert discord.broken == []
    assert took <= 1.1 * ((messages - 1) // 5 * 2.0) + 0.3


def test_the_pretended_discord_sees_who_breaks_its_limits():
    """A sender that knows no limits breaks both of them."""
    discord = PretendedDiscord(5, 2.0, headers=False)
    for number in range(6):
        discord.takes(0, 0.1 * number)
    assert len(discord.broken) == 1

    for number in range(25):
        discord.takes(0, 10 + 2.0 * number)
    assert len(discord.broken) == 2


def test_a_message_leaves_its_window_by_its_answer_not_by_its_sending():
    """It may have arrived just before its answer."""
    window = Window()
    window.begin()
    window.end(10.0)

    assert window.wait(10.0, 1, 2.0) == 2.0
    assert window.wait(12.0, 1, 2.0) == 0.0


def test_a_message_under_way_holds_its_place():
    """It will arrive, now or later."""
    window = Window()
    window.begin()

    assert window.wait(1e9, 1, 2.0) > 0


def test_an_answer_without_headers_leaves_what_was_told():
    """A lost answer costs one place, and the next window is as long as the last."""
    bucket = Bucket()
    bucket.begin(0.0)
    told = {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "1", "x-ratelimit-reset-after": "4"}
    bucket.end(0.0, told)
    bucket.begin(1.0)
    bucket.end(1.0, {})
    assert bucket.wait(1.0) == pytest.approx(3.0, abs=0.02)

    bucket.begin(5.0)
    bucket.end(5.0, {})
    assert bucket.wait(5.0) == 0
    bucket.begin(5.0)
    bucket.end(5.0, {})
    assert bucket.wait(5.0) == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "", "many"])
def test_headers_that_make_no_sense_are_ignored(value: str):
    """A limit is never lifted by a mistake of somebody in between."""
    bucket = Bucket()
    for _ in range(5):
        bucket.begin(0.0)
        bucket.end(0.0, {"x-ratelimit-limit": value, "x-ratelimit-remaining": value})

    assert bucket.wait(0.0) == 2.0


def test_all_webhooks_together_stay_below_what_an_address_may_send():
    """Fifty a second are Discord's limit for an address; ours is below."""
    limits = Limits()
    sent = 0
    for number in range(100):
        lane = Lane(limits, host="h", webhook=str(number), messages=28, seconds=60.0)
        if lane.wait(0.0, "POST") == 0:
            lane.begin(0.0, "POST")
            lane.end(0.0, "POST", {}, 200)
            sent += 1

    assert sent == GLOBAL_REQUESTS


@pytest.mark.parametrize(("status", "headers"), [(429, {}), (401, {}), (403, {})])
def test_refusals_stop_everything_long_before_discord_shuts_the_address_out(
    status: int, headers: dict[str, str]
):
    """Ten thousand in ten minutes are too many; a thousand are ours."""
    lane = lanes_of(1)[0]
    now = 0.0
    for _ in range(MAX_REFUSALS):
        lane.begin(now, "GET")
        lane.end(now, "GET", headers, status)
        now += 0.1

    assert lane.wait(now, "POST") == pytest.approx(500.0)


def test_a_shared_limit_is_no_refusal_of_ours():
    """Discord does not count it either."""
    lane = lanes_of(1)[0]
    for _ in range(MAX_REFUSALS):
        lane.begin(0.0, "GET")
        lane.end(0.0, "GET", {"x-ratelimit-scope": "shared"}, 429)

    assert lane.wait(5.0, "POST") == 0


def test_a_destination_made_anew_goes_on_with_the_limits_of_its_webhook():
    """Other rules do not grant another thirty messages."""
    limits = Limits()
    for _ in range(2):
        lane = Lane(limits, host="h", webhook="1", messages=2, seconds=60.0)
        lane.in_channel("5")
        lane.begin(0.0, "POST")
        lane.end(0.0, "POST", {}, 200)

    assert Lane(limits, host="h", webhook="1", messages=2, seconds=60.0).wait(1.0, "POST") == 59.0


def test_what_was_sent_before_the_channel_was_known_counts_in_it():
    """Where the first question for it was not answered."""
    limits = Limits()
    first = Lane(limits, host="h", webhook="1", messages=2, seconds=60.0)
    second = Lane(limits, host="h", webhook="2", messages=2, seconds=60.0)
    second.in_channel("5")
    for lane, now in ((first, 0.0), (second, 1.0)):
        lane.begin(now, "POST")
        lane.end(now, "POST", {}, 200)

    first.in_channel("5")

    assert first.wait(2.0, "POST") == second.wait(2.0, "POST") == 58.0


def test_webhooks_of_rules_long_gone_are_forgotten():
    """Rules may change for ever; what is remembered is bounded, and the newest stay."""
    limits = Limits()
    for number in range(3000):
        Lane(limits, host="h", webhook=str(number), messages=2, seconds=60.0)

    assert len(limits.origin("h").webhooks) == len(limits.origin("h").channels) == 2000
    assert "2999" in limits.origin("h").webhooks
