"""The webhook API over a real socket: paths, answers, messages, limits."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from discord_simulator.testing import SimulatedDiscord
from discord_simulator.webhooks import webhook_named


async def test_a_message_is_taken_with_and_without_wait(discord: SimulatedDiscord):
    """204 and nothing, or 200 and the whole message under exactly application/json."""
    url = discord.url_of("alerts")
    quiet = await discord.client.post(url, json={"content": "one"})
    loud = await discord.client.post(f"{url}?wait=True", json={"content": " two ", "username": "Bot"})

    assert (quiet.status_code, quiet.content, quiet.headers.get("content-type")) == (204, b"", None)
    message = loud.json()
    assert loud.headers["content-type"] == "application/json"
    assert loud.headers["via"]
    assert (message["content"], message["author"]["username"], message["type"]) == ("two", "Bot", 0)
    assert message["channel_id"] == webhook_named("alerts", "alerts").channel_id
    assert [entry["message"]["content"] for entry in await discord.entries()] == ["one", "two"]


async def test_the_webhook_tells_of_itself_without_a_user(discord: SimulatedDiscord):
    """To whoever holds its token; another token is 401, another id 404."""
    url = discord.url_of("alerts")
    shown = await discord.client.get(url)
    wrong_token = await discord.client.get(url[:-3] + "abc")
    unknown = await discord.client.post(f"{discord.http_url}/api/webhooks/12/abc", json={"content": "x"})

    assert shown.json()["name"] == "alerts"
    assert "user" not in shown.json()
    assert (wrong_token.status_code, wrong_token.json()["code"]) == (401, 50027)
    assert (unknown.status_code, unknown.json()["code"]) == (404, 10015)
    assert (await discord.state())["invalid_requests"] == {"127.0.0.1": 1}


async def test_a_message_is_read_edited_and_deleted(discord: SimulatedDiscord):
    """By its own webhook only; afterwards it is unknown."""
    url = discord.url_of("alerts")
    said = (
        await discord.client.post(f"{url}?wait=1", json={"content": "x", "embeds": [{"title": "t"}]})
    ).json()
    at = f"{url}/messages/{said['id']}"
    changed = await discord.client.patch(at, json={"content": "y"})
    too_long = await discord.client.patch(at, json={"content": "y" * 2001})
    empty = await discord.client.patch(at, json={"content": "", "embeds": []})
    other = await discord.client.get(f"{discord.url_of('desk')}/messages/{said['id']}")
    read = await discord.client.get(at)
    gone = await discord.client.delete(at)
    after = await discord.client.get(at)

    assert changed.json()["content"] == "y"
    assert changed.json()["edited_timestamp"]
    assert read.json() == changed.json()
    assert read.json()["embeds"][0]["title"] == "t"
    assert too_long.json()["errors"]["content"]["_errors"][0]["code"] == "BASE_TYPE_MAX_LENGTH"
    assert empty.json()["code"] == 50006
    assert (other.status_code, other.json()["code"]) == (404, 10008)
    assert (gone.status_code, after.status_code) == (204, 404)
    assert [entry["deed"] for entry in await discord.entries()] == ["said", "edited", "deleted"]


async def test_half_a_message_is_none(discord: SimulatedDiscord):
    """Who hangs up in the middle has said nothing."""
    path = webhook_named("alerts", "alerts").path
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nContent-Type: application/json\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", discord.port)
    writer.write((head + 'Content-Length: 500\r\n\r\n{"content": "half"}').encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await discord.client.post(discord.url_of("alerts"), json={"content": "whole"})

    assert [entry["message"]["content"] for entry in await discord.entries()] == ["whole"]


async def test_ids_grow(discord: SimulatedDiscord):
    """Also of messages of one millisecond."""
    url = f"{discord.url_of('alerts')}?wait=true"
    ids = [int((await discord.client.post(url, json={"content": "x"})).json()["id"]) for _ in range(20)]

    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, 50109),
        ({"content": b"[]", "headers": {"content-type": "application/json"}}, 400, 50035),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 400, 50035),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, 50109),
        ({"json": {"content": "  "}}, 400, 50006),
        ({"json": {"content": "x", "thread_name": "t"}}, 400, 220003),
        ({"json": {"content": "x"}, "headers": {"user-agent": ""}}, 403, 40333),
    ],
)
async def test_what_is_wrong_is_said_with_its_number(
    discord: SimulatedDiscord, given: dict, status: int, code: int
):
    """And nothing is taken."""
    answer = await discord.client.post(discord.url_of("alerts"), **given)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await discord.entries() == []


async def test_forms_and_files_are_taken(discord: SimulatedDiscord):
    """A form, a form with payload_json, and a multipart with files."""
    url = f"{discord.url_of('alerts')}?wait=true"
    payload = orjson.dumps({"content": "naïve €"}).decode()
    form = await discord.client.post(url, data={"content": "plain"})
    json_form = await discord.client.post(url, data={"payload_json": payload})
    files = {"files[0]": ("chart.png", b"\x89PNG\r\n--x\r\n", "image/png")}
    multipart = await discord.client.post(url, data={"payload_json": payload}, files=files)

    assert [answer.json()["content"] for answer in (form, json_form, multipart)] == [
        "plain",
        "naïve €",
        "naïve €",
    ]
    assert [file["filename"] for file in multipart.json()["attachments"]] == ["chart.png"]


async def test_too_large_a_request_is_refused():
    """413, before it is read whole."""
    async with SimulatedDiscord.in_process(max_body_bytes=2048) as discord:
        answer = await discord.client.post(discord.url_of("alerts"), json={"content": "x" * 4096})

    assert (answer.status_code, answer.json()["code"]) == (413, 40005)


async def test_versions_differ_in_how_they_refuse():
    """Ten tells seconds and fields; none means six, which tells milliseconds and numbers; eleven is none."""
    async with SimulatedDiscord.in_process(webhook_limit=1, webhook_window=60) as discord:
        path = webhook_named("alerts", "alerts").path
        old = discord.http_url + path.replace("/v10", "")
        bad = {"embeds": [{"title": "x" * 257}]}
        told = (await discord.client.post(discord.http_url + path, json=bad)).json()
        new_wait = await discord.client.post(discord.http_url + path, json=bad)
        old_wait = await discord.client.post(old, json=bad)
        await discord.client.post("/control/reset")
        told_before = (await discord.client.post(old, json=bad)).json()
        eleven = await discord.client.post(discord.http_url + path.replace("v10", "v11"), json=bad)

    assert told["code"] == 50035
    assert told_before == {"embeds": ["0"]}
    assert new_wait.json()["retry_after"] <= 60 < old_wait.json()["retry_after"] <= 60_000
    assert eleven.json()["code"] == 50041


async def test_the_limits_of_webhook_and_channel_are_told_apart():
    """Each 429 says whose; that of the channel comes though the headers say that some remain."""
    async with SimulatedDiscord.in_process(channel_limit=7, webhook_window=60, channel_window=300) as discord:
        alerts, critical = discord.url_of("alerts"), discord.url_of("critical")
        fine = [await discord.client.post(alerts, json={"content": "x"}) for _ in range(5)]
        own = await discord.client.post(alerts, json={"content": "x"})
        others = [await discord.client.post(critical, json={"content": "x"}) for _ in range(3)]
        elsewhere = await discord.client.post(discord.url_of("desk"), json={"content": "x"})
        state = await discord.state()

    assert [answer.headers["x-ratelimit-remaining"] for answer in fine] == ["4", "3", "2", "1", "0"]
    assert own.json().keys() == {"message", "retry_after", "global"}
    assert (own.headers["x-ratelimit-scope"], own.json()["global"]) == ("user", False)
    assert abs(own.json()["retry_after"] - float(own.headers["x-ratelimit-reset-after"])) < 0.01
    assert own.json()["retry_after"] <= int(own.headers["retry-after"]) <= 60
    shared = others[2]
    assert (shared.status_code, shared.headers["x-ratelimit-scope"]) == (429, "shared")
    assert shared.headers["x-ratelimit-remaining"] == "3"
    assert shared.json()["retry_after"] > 200
    assert elsewhere.status_code == 204
    assert state["invalid_requests"] == {"127.0.0.1": 1}  # that of the channel does not count
    assert (state["counts"]["limited_user"], state["counts"]["limited_shared"]) == (1, 1)


async def test_an_address_has_so_many_a_second_for_everything():
    """Also for what is not a message; a 429 says that it is global."""
    async with SimulatedDiscord.in_process(global_limit=3) as discord:
        await discord.allow(global_window=60)
        answers = [await discord.client.get(discord.url_of("alerts")) for _ in range(4)]

    refused = answers[3]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refused.json()["global"] is True
    assert refused.headers["x-ratelimit-global"] == "true"
    assert refused.headers["x-ratelimit-scope"] == "global"


async def test_scaled_windows_are_told_as_they_are():
    """Five in two tenths of a second, thirty in six seconds."""
    async with SimulatedDiscord.in_process(limits_scale=0.1) as discord:
        answer = await discord.client.post(discord.url_of("alerts"), json={"content": "x"})
        figures = (await discord.state())["figures"]

    assert answer.headers["x-ratelimit-reset-after"] == "0.200"
    assert (figures["webhook_window"], figures["channel_window"]) == (0.2, 6.0)


async def test_who_does_not_hear_a_refusal_is_banned():
    """Everything is answered by a page without a word of when, and that is not counted on top."""
    async with SimulatedDiscord.in_process(ban_after=4, webhook_limit=1, webhook_window=60) as discord:
        url = discord.url_of("alerts")
        answers = [await discord.client.post(url, json={"content": "x"}) for _ in range(8)]
        state = await discord.state()

    assert [answer.headers.get("via") is not None for answer in answers] == [True] * 5 + [False] * 3
    assert "1015" in answers[-1].text
    assert "retry-after" not in answers[-1].headers
    assert state["invalid_requests"] == {"127.0.0.1": 4}


async def test_other_paths_are_not_found(discord: SimulatedDiscord):
    """In Discord's words, and a wrong method too."""
    url = discord.url_of("alerts")

    assert (await discord.client.get("/api/v10/gateway")).json() == {"message": "404: Not Found", "code": 0}
    assert (await discord.client.put(url, json={})).status_code == 405


async def test_nothing_is_lost_between_many_connections(discord: SimulatedDiscord):
    """They are all there, in the order in which each connection said them."""
    url = discord.url_of("alerts")

    async def say(poster: int) -> None:
        async with httpx.AsyncClient() as client:
            for place in range(100):
                await client.post(url, json={"content": f"mark:{poster}-{place}"})

    await asyncio.gather(*(say(poster) for poster in range(5)))
    marks = [mark.split("-") for entry in await discord.entries() for mark in entry["marks"]]

    for poster in range(5):
        assert [int(place) for who, place in marks if who == str(poster)] == list(range(100))
