"""`/in/…` over a real socket: who may send, what is answered, and that a group is stored as a whole."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from alert_bridge.receive.sources import add_source

DIALECTS = ["alertmanager", "grafana", "tradingview", "json", "apprise"]
SAID = {"title": "T", "message": "M"}


def in_path(bridge, dialect: str) -> str:
    """The path with the token in it."""
    return f"/in/{dialect}/{bridge.source.id}/{bridge.source.token}"


def group(count: int, *, status: str = "firing") -> dict:
    """An Alertmanager group."""
    alerts = [
        {
            "status": status,
            "labels": {"alertname": f"a{n}"},
            "startsAt": "2026-04-27T14:00:00Z",
            "fingerprint": f"f{n}",
        }
        for n in range(count)
    ]
    return {"version": "4", "status": status, "alerts": alerts}


@pytest.fixture
def edit_sources(tmp_path):
    """Changes the file of sources as an operator does."""

    def edit(**changes):
        path = tmp_path / "sources.json"
        [source] = json.loads(path.read_text())
        path.write_text(json.dumps([{**source, **changes}]))

    return edit


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_token_is_shown_in_the_path_as_bearer_or_as_password(bridge, alerts, dialect):
    """For senders that can set no header, one header, or only a user and a password."""
    token = bridge.source.token
    basic = base64.b64encode(f"anybody:{token}".encode()).decode()

    answers = [
        await bridge.client.post(in_path(bridge, dialect), json=SAID),
        await bridge.client.post(f"/in/{dialect}", json=SAID, headers={"Authorization": f"Bearer {token}"}),
        await bridge.client.put(f"/in/{dialect}", json=SAID, headers={"Authorization": f"Basic {basic}"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {alert.source for alert in await alerts()} == {"bot"}
    assert {alert.alert_type for alert in await alerts()} == {dialect}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_off_loopback_a_credential_is_needed(bridge_with, alerts, dialect):
    """None, a wrong one, a wrong path: refused, and nothing is stored."""
    async with bridge_with(host="0.0.0.0") as bridge:  # noqa: S104 - that is what is tested; the port is random
        await bridge.until_ready()
        wrong = {"Authorization": "Bearer wrong"}
        answers = [
            await bridge.client.post(f"/in/{dialect}", json=SAID),
            await bridge.client.post(f"/in/{dialect}", json=SAID, headers=wrong),
            await bridge.client.post(f"/in/{dialect}/{bridge.source.id}/{'x' * 68}", json=SAID),
            await bridge.client.post(f"/in/{dialect}/{'1' * 18}/{bridge.source.token}", json=SAID),
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 404, 404]
    assert all(answer.json()["message"] for answer in answers)
    assert await alerts() == []


async def test_a_group_is_one_alert_each(bridge, alerts):
    """Answered with all their numbers, in the order of the group."""
    answer = await bridge.client.post(in_path(bridge, "alertmanager"), json=group(120))

    assert answer.status_code == 200
    assert [one["seq"] for one in answer.json()["alerts"]] == list(range(1, 121))
    assert [alert.title for alert in await alerts()] == [f"a{n}" for n in range(120)]


async def test_the_other_of_a_pair_doubles_nothing(bridge, alerts):
    """Both tell the same group; only what is new is stored."""
    path = in_path(bridge, "alertmanager")
    await bridge.client.post(path, json=group(3))

    answer = await bridge.client.post(path, json=group(4))

    assert [one["duplicate"] for one in answer.json()["alerts"]] == [True, True, True, False]
    assert len(await alerts()) == 4


async def test_a_group_that_was_stored_in_part_is_told_again_without_doubling(
    bridge_with, nats_server, alerts
):
    """503 until the whole of it is stored; the repeat stores what is missing."""
    async with bridge_with(store_within=0.5, max_waiting=30) as bridge:
        await bridge.until_ready()
        path = in_path(bridge, "alertmanager")
        partly = await bridge.client.post(path, json=group(40))
        some = len(await alerts())
        nats_server.kill()
        away = await bridge.client.post(path, json=group(20))
        nats_server.restart()
        await bridge.until_ready()
        whole = await bridge.client.post(path, json=group(20))

    assert (partly.status_code, away.status_code, whole.status_code) == (503, 503, 200)
    assert int(partly.headers["retry-after"]) > 0
    assert 0 < some < 40
    titles = [alert.title for alert in await alerts()]
    assert len(titles) == len(set(titles))
    assert {f"a{n}" for n in range(20)} <= set(titles)


async def test_a_source_that_floods_leaves_room_for_the_others(bridge_with, nats_server, tmp_path):
    """Three quarters of what may wait are one source's at most; another's alert finds room."""
    other = add_source(tmp_path / "sources.json", "other")
    async with bridge_with(store_within=20, max_waiting=8) as bridge:
        await bridge.until_ready()
        nats_server.freeze()
        path = in_path(bridge, "json")
        flood = [asyncio.create_task(bridge.client.post(path, json=SAID | {"id": n})) for n in range(20)]
        await bridge.until_metric("baleen_alert_bridge_waiting_alerts", 6)
        quiet = asyncio.create_task(bridge.client.post(other.webhook_url(""), json={"content": "help"}))
        await bridge.until_metric("baleen_alert_bridge_waiting_alerts", 7)
        nats_server.thaw()
        flooded = [(await answer).status_code for answer in flood]

        assert (await quiet).status_code == 204
        assert sorted(flooded) == [200] * 6 + [503] * 14
        again = await bridge.client.post(path, json=SAID)  # what waited is forgotten

    assert again.status_code == 200


async def test_who_was_sent_away_is_known_again(bridge_with, nats_server, alerts, until_stored):
    """Who repeats what was answered 503 without an id: if the first got there after all, it is one."""
    async with bridge_with(store_within=0.4) as bridge:
        await bridge.until_ready()
        nats_server.freeze()
        away = await bridge.client.post("/in/json", json={"message": "once"})
        nats_server.thaw()
        await until_stored(1)
        again = await bridge.client.post("/in/json", json={"message": "once"})
        another = await bridge.client.post("/in/json", json={"message": "once"})

    assert [answer.status_code for answer in (away, again, another)] == [503, 200, 200]
    assert [answer.json()["alerts"][0]["duplicate"] for answer in (again, another)] == [True, False]
    assert len(await alerts()) == 2


async def test_tradingview_is_answered_at_once(bridge, alerts):
    """It waits three seconds at most."""
    began = time.monotonic()

    answer = await bridge.client.post(
        in_path(bridge, "tradingview"),
        content="SPY crossed",
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )

    assert (answer.status_code, (await alerts())[0].content) == (200, "SPY crossed")
    assert time.monotonic() - began < 3


async def test_tradingview_may_be_held_to_its_addresses(bridge_with):
    """Off unless set; then everybody else is 403."""
    listed = "52.89.214.238, 34.212.75.30"
    async with (
        bridge_with(tradingview_from=listed) as strict,
        bridge_with(tradingview_from="127.0.0.1") as mine,
    ):
        await strict.until_ready()
        await mine.until_ready()
        refused = await strict.client.post(in_path(strict, "tradingview"), content="x")
        elsewhere = await strict.client.post(in_path(strict, "json"), json=SAID)
        taken = await mine.client.post(in_path(mine, "tradingview"), content="x")

    assert (refused.status_code, elsewhere.status_code, taken.status_code) == (403, 200, 200)
    assert "ALERT_BRIDGE_TRADINGVIEW_FROM" in refused.json()["message"]


@pytest.mark.parametrize("header", ["Idempotency-Key", "webhook-id"])
async def test_a_key_dedupes(bridge, alerts, header):
    """The second request of a key is the first one again."""
    for _ in range(2):
        await bridge.client.post("/in/json", json=SAID, headers={header: "k-1"})

    assert [alert.id for alert in await alerts()] == ["k-1"]


async def test_web_pages_and_other_hosts_are_kept_out(bridge, alerts):
    """The open door of loopback is open to programs of this machine, not to pages that a browser shows."""
    page = await bridge.client.post("/in/json", json=SAID, headers={"Origin": "https://example.org"})
    rebound = await bridge.client.post("/in/json", json=SAID, headers={"Host": "evil.example"})
    proven = await bridge.client.post(in_path(bridge, "json"), json=SAID, headers={"Host": "evil.example"})
    token = base64.b64encode(f"x:{bridge.source.token}".encode()).decode()
    known = {"Host": "evil.example", "Authorization": f"Basic {token}"}
    by_header = await bridge.client.post("/in/json", json=SAID, headers=known)

    assert [page.status_code, rebound.status_code] == [403, 421]
    assert [proven.status_code, by_header.status_code] == [200, 200]
    assert len(await alerts()) == 2
    assert (
        await bridge.metric('baleen_alert_bridge_requests_total{dialect="any_json",outcome="misdirected"}')
        == 1
    )


async def test_each_dialect_is_counted(bridge):
    """One request, one outcome."""
    await bridge.client.post("/in/apprise", json=SAID)
    await bridge.client.post("/in/apprise", content="words")

    line = 'baleen_alert_bridge_requests_total{{dialect="apprise",outcome="{}"}}'
    assert await bridge.metric(line.format("stored")) == 1
    assert await bridge.metric(line.format("unreadable")) == 1


def signed_by_grafana(secret: str, body: bytes) -> dict:
    """As Grafana signs, with a time."""
    at = str(int(time.time()))
    signature = hmac.digest(secret.encode(), at.encode() + b":" + body, hashlib.sha256).hex()
    return {"X-Grafana-Alerting-Signature": signature, "X-Grafana-Alerting-Timestamp": at}


def signed_by_github(secret: str, body: bytes) -> dict:
    """As GitHub signs."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()}


def signed_as_standard(secret: str, body: bytes) -> dict:
    """As the reference library of Standard Webhooks signs."""
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("m-1", now, body.decode())
    return {
        "webhook-id": "m-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789").decode()


@pytest.mark.parametrize("sign", [signed_by_grafana, signed_by_github, signed_as_standard])
async def test_a_source_that_signs_is_taken_at_its_signature(bridge, edit_sources, alerts, sign):
    """A right signature passes; none, a wrong one, one of another body or an old one is 401."""
    edit_sources(signing_secret=SECRET)
    path, body = in_path(bridge, "json"), json.dumps(SAID).encode()
    await bridge.until_answer(path, b"{}", 401)

    taken = await bridge.client.post(path, content=body, headers=sign(SECRET, body))
    wrong = await bridge.client.post(path, content=body, headers=sign(SECRET[:-4] + "AAAA", body))
    other = await bridge.client.post(path, content=b'{"message":"other"}', headers=sign(SECRET, body))
    none = await bridge.client.post(path, content=body)
    upload = await bridge.client.post(bridge.webhook, files={"file": ("a", b"x")})

    assert taken.status_code == 200
    assert {answer.status_code for answer in (wrong, other, none, upload)} == {401}
    assert len(await alerts()) == 1


async def test_a_source_over_its_limit_waits(bridge, edit_sources, alerts):
    """429 in Discord's words, which its clients obey; elsewhere 503: most senders never repeat a 429."""
    edit_sources(limit={"requests": 2, "seconds": 1000})
    await bridge.until_answer(bridge.webhook, b'{"content":"x"}', 429)
    before = len(await alerts())

    discord = await bridge.client.post(bridge.webhook, json={"content": "x"})
    others = [
        await bridge.client.post(in_path(bridge, "json"), json=SAID),
        await bridge.client.post(
            "/alerts", json=SAID, headers={"Authorization": f"Bearer {bridge.source.token}"}
        ),
    ]

    said = discord.json()
    assert (discord.status_code, said["global"], said["message"]) == (
        429,
        False,
        "You are being rate limited.",
    )
    assert 0 < said["retry_after"] <= 500
    assert int(discord.headers["retry-after"]) >= said["retry_after"]
    assert discord.headers["x-ratelimit-scope"] == "user"
    assert discord.headers["via"]
    assert discord.headers["content-type"] == "application/json"
    assert [answer.status_code for answer in others] == [503, 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in others)
    assert {answer.json()["error"] for answer in others} == {"rate_limited"}
    assert len(await alerts()) == before


async def test_the_schema_is_published(bridge):
    """At its own address, and in the description of the API."""
    schema = (await bridge.client.get("/alerts/schema")).json()
    described = (await bridge.client.get("/openapi.json")).json()

    assert {"alert_type", "source", "symbol", "embed", "labels"} <= set(schema["properties"])
    body = described["paths"]["/alerts"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == schema
    assert "/in/grafana/{webhook_id}/{token}" in described["paths"]


async def test_what_no_receiver_takes_is_said_so(bridge):
    """An unknown dialect is 404, a wrong method 405; neither is counted as an alert."""
    unknown = await bridge.client.post("/in/nagios", json=SAID)
    wrong = [
        await bridge.client.put("/alerts", json=SAID),
        await bridge.client.get("/in/json"),
        await bridge.client.put(bridge.webhook, json=SAID),
    ]

    assert (unknown.status_code, unknown.json()["message"]) == (404, "404: Not Found")
    assert {answer.status_code for answer in wrong} == {405}
