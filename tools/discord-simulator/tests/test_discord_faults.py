"""Faults on request: whom they strike, and what the other end sees."""

from __future__ import annotations

import httpx
import pytest

from discord_simulator.faults import Fault, Faults, Kind
from discord_simulator.testing import SimulatedDiscord

SAID = {"content": "mark:1"}


async def post(discord: SimulatedDiscord, name: str = "alerts", **options: object) -> httpx.Response:
    """Say something."""
    return await discord.client.post(f"{discord.url_of(name)}?wait=true", json=SAID, **options)


@pytest.mark.parametrize(
    ("fault", "status", "has"),
    [
        ({"kind": "rate_limited", "seconds": 0.5}, 429, {"retry-after", "x-ratelimit-reset-after", "via"}),
        ({"kind": "rate_limited_bare", "seconds": 0.5}, 429, {"via"}),
        ({"kind": "cloudflare"}, 429, set()),
        ({"kind": "cloudflare", "seconds": 1.5}, 429, {"retry-after"}),
        ({"kind": "status", "status": 503}, 503, {"via"}),
        ({"kind": "status", "status": 404}, 404, {"via"}),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
async def test_some_faults_keep_a_message_from_being_taken(
    discord: SimulatedDiscord, fault: dict, status: int, has: set[str]
):
    """The answer is what it was asked to be, the next is right again, and only that was taken."""
    await discord.arm(**fault)
    struck, after = await post(discord), await post(discord)

    telling = {"retry-after", "x-ratelimit-reset-after", "via"}
    assert (struck.status_code, after.status_code) == (status, 200)
    assert telling & set(struck.headers) == has
    assert len(await discord.entries()) == 1
    assert (await discord.state())["invalid_requests"] == ({"127.0.0.1": 1} if status == 429 else {})


@pytest.mark.parametrize("kind", ["reset", "taken_reset"])
async def test_a_connection_is_cut(discord: SimulatedDiscord, kind: str):
    """Before the message was taken or after; the other end sees the same."""
    await discord.arm(kind)
    with pytest.raises(httpx.ReadError):
        await post(discord)

    assert len(await discord.entries()) == (kind == "taken_reset")


async def test_a_message_is_taken_and_never_answered(discord: SimulatedDiscord):
    """Whoever says it again is seen to repeat itself; another webhook saying the same does not."""
    await discord.arm("taken_silence")
    with pytest.raises(httpx.ReadTimeout):
        await post(discord, timeout=0.2)
    await post(discord)
    await post(discord, "desk")

    assert [entry["answered"] for entry in await discord.entries()] == [
        "taken_silence",
        "answered",
        "answered",
    ]
    state = await discord.state()
    assert (state["duplicates"], state["struck"]) == ({"alerts": 1}, {"taken_silence": 1})


async def test_a_taken_message_is_answered_wrongly_or_late(discord: SimulatedDiscord):
    """A failure, no JSON, or the right answer late."""
    await discord.arm("taken_status", status=502)
    await discord.arm("taken_garbage")
    await discord.arm("taken_slow", seconds=0.2)
    failed, garbage = await post(discord), await post(discord)
    with pytest.raises(httpx.ReadTimeout):
        await post(discord, timeout=0.1)

    assert (failed.status_code, garbage.status_code) == (502, 200)
    with pytest.raises(ValueError, match=r"unexpected|Unterminated"):
        garbage.json()
    assert len(await discord.entries()) == 3


async def test_a_webhook_is_gone_from_now_on(discord: SimulatedDiscord):
    """Until it is disarmed; others go on."""
    await discord.arm("status", status=404, count=None, webhook="alerts")
    gone = [(await post(discord)).status_code for _ in range(3)]
    other = (await post(discord, "desk")).status_code
    await discord.disarm()

    assert (gone, other, (await post(discord)).status_code) == ([404] * 3, 200, 200)


def test_a_fault_strikes_one_in_so_many_until_it_is_spent():
    """Those it is not meant for are not counted."""
    faults = Faults()
    faults.arm(Fault(Kind.RESET, count=2, every=3, webhook="a"))

    struck = [
        faults.strike(name, takes=False) is not None for name in ["a", "b", "a", "a", "a", "a", "a", "a", "a"]
    ]

    assert struck == [False, False, False, True, False, False, True, False, False]
    assert faults.armed == []


def test_what_is_not_taken_uses_up_no_fault_of_what_is():
    """A fault of a taken message waits for one that is taken, so that what struck can be counted."""
    faults = Faults()
    faults.arm(Fault(Kind.TAKEN_SILENCE))

    assert faults.strike("a", takes=False) is None
    assert faults.strike("a", takes=True) is not None
