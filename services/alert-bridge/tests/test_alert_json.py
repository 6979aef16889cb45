"""`POST /alerts` over a real socket: what is answered is what the bus has."""

import asyncio
import json

import pytest

BARE = {"alert_type": "dp_alert", "source": "monitor", "symbol": "SPY"}


async def test_an_alert_is_stored_before_it_is_accepted(bridge, alerts):
    """202 names id and sequence, and the stream has the message under both."""
    answer = await bridge.client.post(
        "/alerts", json={**BARE, "embed": {"title": "x", "n": None}, "extra": 1}
    )

    assert answer.status_code == 202
    said = answer.json()
    assert said["duplicate"] is False
    [alert] = await alerts()
    assert (alert.id, said["seq"]) == (said["id"], 1)
    assert alert.embed == {"title": "x", "n": None}
    assert alert.labels == {"extra": "1"}
    assert await bridge.metric('baleen_alert_bridge_requests_total{dialect="json",outcome="stored"}') == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["id", "key"])
async def test_a_repeat_is_answered_as_one(bridge, headers, alerts):
    """`id` or `Idempotency-Key` makes the second post a duplicate of the first."""
    body = BARE if headers else {**BARE, "id": "mine-1"}

    first, second = [
        (await bridge.client.post("/alerts", json=body, headers=headers)).json() for _ in range(2)
    ]

    assert second == {**first, "duplicate": True}
    assert len(await alerts()) == 1


async def test_equal_ids_of_two_senders_are_two_alerts(bridge, alerts):
    """What one bot calls 1 is not what another calls 1; each is answered with its own id."""
    answers = [
        await bridge.client.post("/alerts", json={"alert_type": "a", "source": source, "id": 1})
        for source in ("mine", "yours", "mine")
    ]

    said = [(answer.status_code, answer.json()["id"], answer.json()["duplicate"]) for answer in answers]
    assert said == [(202, "1", False), (202, "1", False), (202, "1", True)]
    assert [(alert.source, alert.id) for alert in await alerts()] == [("mine", "1"), ("yours", "1")]


async def test_without_id_equal_alerts_are_two(bridge, alerts):
    """Two equal alerts may both be meant."""
    for _ in range(2):
        await bridge.client.post("/alerts", json=BARE)

    assert len(await alerts()) == 2


async def test_a_wrong_field_is_named(bridge, alerts):
    """422 lists the fields; nothing reaches the bus."""
    answer = await bridge.client.post("/alerts", json={"alert_type": "a", "source": "s", "embed": 5})

    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["errors"]] == ["embed"]
    assert await alerts() == []


@pytest.mark.parametrize("field", ["embed", "extra", "labels"])
async def test_what_is_nested_too_deep_is_named(bridge, alerts, field):
    """422 names the field, known or not; an alert of 64 levels in all is stored and can be read back."""

    async def post(levels: int):
        value = '{"a":' * levels + '"1"' + "}" * levels
        body = f'{{"alert_type":"a","source":"s","{field}":{value}}}'
        return await bridge.client.post("/alerts", content=body)

    taken = await post(1 if field == "labels" else 63)
    refused = [await post(levels) for levels in (64, 200, 240, 300, 900)]

    assert taken.status_code == 202
    assert {answer.status_code for answer in refused} == {422}
    assert {answer.json()["message"] for answer in refused} == {f"{field}: nested deeper than 64 levels"}
    assert len(await alerts()) == 1


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff\xfe", b"[" * 100_000])
async def test_garbage_is_refused(bridge, body):
    """400 and a sentence, and the bridge lives on."""
    answer = await bridge.client.post("/alerts", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == "unreadable"
    assert (await bridge.client.get("/livez")).status_code == 200


async def test_a_large_body_is_refused(bridge):
    """413, whether the length is announced or not."""
    body = json.dumps({**BARE, "content": "x" * 300_000}).encode()

    async def unannounced():
        yield body

    assert (await bridge.client.post("/alerts", content=body)).status_code == 413
    assert (await bridge.client.post("/alerts", content=unannounced())).status_code == 413


async def test_web_pages_may_not_use_the_open_door(bridge):
    """On loopback anybody may post, but not every page that a browser on this machine shows."""
    answer = await bridge.client.post("/alerts", json=BARE, headers={"Origin": "https://example.org"})

    assert answer.status_code == 403


async def test_a_token_says_who_it_is(bridge, alerts):
    """A source's token works for /alerts too; a wrong one is refused even on loopback."""
    right = {"Authorization": f"Bearer {bridge.source.token}"}
    answers = [
        await bridge.client.post("/alerts", json={"alert_type": "a"}, headers=right),
        await bridge.client.post("/alerts", json=BARE, headers=right),
        await bridge.client.post("/alerts", json=BARE, headers={"Authorization": "Bearer wrong"}),
    ]

    assert [answer.status_code for answer in answers] == [202, 403, 401]
    assert [alert.source for alert in await alerts()] == ["bot"]


async def test_elsewhere_a_token_is_needed(bridge_with):
    """Off loopback nobody posts without one, unless the operator said so twice."""
    async with bridge_with(host="0.0.0.0") as bridge:  # noqa: S104 - that is what is tested; the port is random
        await bridge.until_ready()
        refused = await bridge.client.post("/alerts", json=BARE)
        token = {"Authorization": f"Bearer {bridge.source.token}"}
        taken = await bridge.client.post("/alerts", json={"alert_type": "a"}, headers=token)
    async with bridge_with(host="0.0.0.0", auth_none_anywhere=True) as bridge:  # noqa: S104
        await bridge.until_ready()
        open_door = await bridge.client.post("/alerts", json=BARE)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (taken.status_code, open_door.status_code) == (202, 202)


async def test_without_a_bus_it_says_come_back(bridge, bridge_with, nats_server):
    """503 with Retry-After within the bounded wait, on both routes; afterwards all is well again."""
    async with bridge_with(store_within=0.3) as short:
        await short.until_ready()
        nats_server.kill()
        plain = await short.client.post("/alerts", json=BARE)
        discord = await short.client.post(short.webhook, json={"content": "x"})
        probe = await short.client.get("/readyz")
        nats_server.restart()
        await short.until_ready()
        again = await short.client.post("/alerts", json=BARE)

    for answer in (plain, discord):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    assert probe.status_code == 503
    assert again.status_code == 202


async def test_a_short_outage_is_waited_out(bridge_with, nats_server, alerts):
    """A sender that never retries loses nothing while the bus restarts."""
    async with bridge_with(store_within=10) as bridge:
        await bridge.until_ready()
        nats_server.kill()
        posting = asyncio.create_task(bridge.client.post("/alerts", json=BARE))
        await bridge.until_waiting()
        nats_server.restart()
        answer = await posting

    assert answer.status_code == 202
    assert len(await alerts()) == 1


async def test_leaving_answers_what_was_taken(bridge_with, nats_server, alerts):
    """A post that is waiting when the stop comes is answered, and its alert is stored."""
    async with bridge_with(store_within=5) as bridge:
        await bridge.until_ready()
        nats_server.kill()
        posting = asyncio.create_task(bridge.client.post("/alerts", json=BARE))
        await bridge.until_waiting()
        bridge.stop.set()
        nats_server.restart()
        answer = await posting

    assert answer.status_code == 202
    assert len(await alerts()) == 1
