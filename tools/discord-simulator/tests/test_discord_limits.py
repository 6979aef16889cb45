"""Limits: windows, scopes, headers, the ban."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.limits import Figures, Limits, Offences, Refusal, Scope, retry_after

HOOK = "POST:1"


def limits(**figures: float) -> Limits:
    """Limits with Discord's figures, or others."""
    return Limits(Figures(**figures))


def test_a_webhook_says_five_within_two_seconds():
    """The sixth waits for the end of the window, which began with the first."""
    discord = limits()

    said = [discord.speak(HOOK, "alerts", 10 + place / 10) for place in range(6)]

    assert said[:5] == [None] * 5
    assert said[5] == Refusal(Scope.USER, 1.5)
    assert discord.speak(HOOK, "alerts", 12.0) is None


def test_the_webhooks_of_a_channel_share_its_thirty():
    """The thirty-first is refused although its own webhook has some left, and says until when."""
    discord = limits()
    for place in range(30):
        assert discord.speak(f"POST:{place % 10}", "alerts", 10.0 + place) is None

    assert discord.speak("POST:11", "alerts", 41.0) == Refusal(Scope.SHARED, 29.0)
    assert discord.headers("POST:11", 41.0, 10)["X-RateLimit-Remaining"] == "5"
    assert discord.speak("POST:11", "desk", 41.0) is None
    assert discord.speak("POST:11", "alerts", 70.0) is None


def test_an_address_asks_fifty_times_a_second():
    """Whoever it asks for, and each address for itself."""
    discord = limits()
    answers = [discord.enter("::1", 1.5) for _ in range(51)]

    assert answers == [None] * 50 + [Refusal(Scope.GLOBAL, 1.0)]
    assert discord.enter("::2", 1.5) is None
    assert discord.enter("::1", 2.5) is None


def test_the_headers_are_those_of_the_webhook():
    """What remains after this one, when it begins anew, and a hash in which the webhook is not."""
    discord = limits()
    discord.speak(HOOK, "alerts", 1000.25)

    assert discord.headers(HOOK, 1000.75, 10) == {
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "4",
        "X-RateLimit-Reset": "1002.250",
        "X-RateLimit-Reset-After": "1.500",
        "X-RateLimit-Bucket": discord.headers("POST:2", 1000.75, 10)["X-RateLimit-Bucket"],
    }
    assert discord.headers(HOOK, 1000.75, 7)["X-RateLimit-Reset-After"] == "2"


def test_waits_are_seconds_since_version_eight():
    """Before it, milliseconds, in header and body."""
    assert retry_after(0.3762, 10) == ("1", 0.377)
    assert retry_after(0.3762, 6) == ("377", 377)


@given(st.lists(st.floats(0.001, 3.0), max_size=120), st.integers(1, 6), st.integers(1, 10))
def test_who_waits_as_long_as_it_is_told_is_let_in(pauses: list[float], own: int, shared: int):
    """Whatever was refused passes after the time it was told, and no window lets in too many."""
    discord = limits(webhook_limit=own, channel_limit=shared, channel_window=7.0)
    now, taken = 100.0, []
    for pause in pauses:
        now += pause
        refusal = discord.speak(HOOK, "alerts", now)
        while refusal is not None:
            assert refusal.after > 0
            now += refusal.after + 1e-6
            refusal = discord.speak(HOOK, "alerts", now)
        taken.append(now)

    for place in range(len(taken) - own - own):
        assert taken[place + 2 * own] - taken[place] >= 2.0 - 1e-9  # two windows touch, three do not


def test_too_many_refusals_ban_an_address_for_a_while():
    """Those of ten minutes count; others' do not."""
    offences = Offences(ban_after=3)
    for moment in (0.0, 100.0, 200.0):
        offences.note("::1", moment)

    assert offences.banned("::1", 300.0)
    assert not offences.banned("::2", 300.0)
    assert not offences.banned("::1", 600.0)
    assert offences.counts(600.0) == {"::1": 2}


def test_what_is_remembered_is_bounded():
    """Ten thousand addresses, then the oldest are forgotten."""
    discord, offences = limits(), Offences(ban_after=3)
    for place in range(10_100):
        discord.enter(str(place), 1.0)
        offences.note(str(place), 1.0)

    assert len(discord._addresses) == 10_000
    assert len(offences._by_address) == 10_000
