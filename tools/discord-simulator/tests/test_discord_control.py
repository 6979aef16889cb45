"""Control and sight: what was said, counts, orders, the page."""

from __future__ import annotations

import pytest

from discord_simulator.testing import SimulatedDiscord


async def test_what_was_said_is_told_in_order_and_in_pages(discord: SimulatedDiscord):
    """By channel or webhook, after a number."""
    for place in range(6):
        name = ("alerts", "critical", "desk")[place % 3]
        await discord.client.post(discord.url_of(name), json={"content": f"mark:{place}"})
    page = (await discord.client.get("/control/messages", params={"channel": "alerts", "limit": 3})).json()
    rest = (
        await discord.client.get("/control/messages", params={"channel": "alerts", "after": page["next"]})
    ).json()

    marks = [mark for entry in [*page["entries"], *rest["entries"]] for mark in entry["marks"]]
    assert (marks, page["beyond"]) == (["0", "1", "3", "4"], 0)
    assert [entry["marks"] for entry in await discord.entries(webhook="desk")] == [["2"], ["5"]]


async def test_what_is_kept_is_bounded_and_the_rest_counted():
    """The newest are kept; a message that is not is unknown."""
    async with SimulatedDiscord.in_process(keep=2, webhook_limit=100) as discord:
        url = f"{discord.url_of('alerts')}?wait=true"
        first = (await discord.client.post(url, json={"content": "mark:0"})).json()
        for place in range(1, 5):
            await discord.client.post(url, json={"content": f"mark:{place}"})
        entries, state = await discord.entries(), await discord.state()
        unknown = await discord.client.get(f"{discord.url_of('alerts')}/messages/{first['id']}")

    assert [entry["marks"] for entry in entries] == [["3"], ["4"]]
    assert (state["beyond"], state["counts"]["said"], unknown.status_code) == (3, 5, 404)


async def test_repeats_and_what_nobody_sees_are_counted(discord: SimulatedDiscord):
    """A mark that a webhook said before, anywhere in a message; an embed whose url was there."""
    embeds = [{"title": "mark:a", "url": "https://x.y/1"}, {"description": "mark:b", "url": "https://x.y/1"}]
    await discord.client.post(discord.url_of("alerts"), json={"embeds": embeds})
    await discord.client.post(
        discord.url_of("alerts"), json={"embeds": [{"footer": {"text": "id mark:b"}}], "content": "mark:c"}
    )
    state = await discord.state()

    assert [entry["marks"] for entry in await discord.entries()] == [["a", "b"], ["c", "b"]]
    assert (state["duplicates"], state["counts"]["hidden_embeds"]) == ({"alerts": 1}, 1)
    assert state["peak_per_second"] in (1, 2)  # as fast as this machine was


@pytest.mark.parametrize(
    ("order", "body"),
    [
        ("faults", {"kind": "boredom"}),
        ("faults", {"kind": "reset", "cuont": 1}),
        ("limits", {"webhook_limit": 0}),
        ("webhooks", {"name": "a b", "channel": "c"}),
    ],
)
async def test_a_wrong_order_is_refused(discord: SimulatedDiscord, order: str, body: dict):
    """And nothing changes."""
    before = await discord.state()

    assert (await discord.client.post(f"/control/{order}", json=body)).status_code == 422
    assert await discord.state() == before


async def test_a_fault_of_a_webhook_that_is_not_there_is_refused(discord: SimulatedDiscord):
    """A misspelt name would never strike."""
    answer = await discord.client.post("/control/faults", json={"kind": "reset", "webhook": "alrets"})

    assert answer.status_code == 404


async def test_webhooks_can_be_made_while_it_runs(discord: SimulatedDiscord):
    """The URL follows from the name."""
    made = (await discord.client.post("/control/webhooks", json={"name": "late", "channel": "new"})).json()
    answer = await discord.client.post(made["url"], json={"content": "x"})

    assert (made["url"], answer.status_code) == (discord.url_of("late"), 204)
    assert [entry["channel"] for entry in await discord.entries()] == ["new"]


async def test_the_page_shows_what_was_said_and_runs_nothing(discord: SimulatedDiscord):
    """Everything is escaped; a link that is no web address is none; scripts are not allowed at all."""
    empty = (await discord.client.get("/")).text
    embed = {"title": "<b>t", "url": 'https://x.y/"><i>', "fields": [{"name": "<u>n", "value": "v&"}]}
    embed |= {"footer": {"text": "<s>f"}, "author": {"name": "<em>a"}, "color": 255}
    message = {"content": "<script>alert(1)</script>", "username": "<h1>", "embeds": [embed]}
    await discord.client.post(discord.url_of("alerts"), json=message)
    shown = await discord.client.get("/")

    assert discord.url_of("alerts") in empty
    for hostile in ("<script>", "<b>t", '"><i>', "<u>", "<s>", "<em>", "<h1>&"):
        assert hostile not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


async def test_a_reset_forgets_what_was_said_and_armed(discord: SimulatedDiscord):
    """Webhooks and limits stay."""
    await discord.client.post(discord.url_of("alerts"), json={"content": "x"})
    await discord.arm("status", count=None)
    await discord.client.post("/control/reset")
    state = await discord.state()

    assert (state["counts"], state["armed"], await discord.entries()) == ({}, [], [])
