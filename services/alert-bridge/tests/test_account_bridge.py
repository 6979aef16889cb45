"""From a sender's request to what an operator is told of it, through a whole bridge and a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from baleen_bus import open_bus
from baleen_bus.bootstrap import bootstrap

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RULES = """
destinations:
  desk: {{type: webhook, url: "{url}/private-path", secret: "{secret}", allow_private: true}}
  phone: {{type: webhook, url: "{url}/private-path", secret: "{secret}", allow_private: true}}
routes:
  - {{name: loud, types: [loud], to: phone, go_on: true}}
  - {{name: all, to: desk}}
"""


@pytest.fixture
def rules(stranger, tmp_path):
    """A file of rules: everything to `desk`, what is loud to `phone` as well."""
    file = tmp_path / "rules.yml"
    file.write_text(RULES.format(url=f"http://127.0.0.1:{stranger.port}", secret=SECRET))
    return file


async def until(ask: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
    """The first answer that is enough."""
    async with asyncio.timeout(20):
        while not enough(answer := await ask()):  # noqa: ASYNC110 - on the other side of a socket
            await asyncio.sleep(0.02)
    return answer


def quiet(account: dict[str, Any]) -> bool:
    """Whether nothing is on its way, for both destinations."""
    rows = account.get("destinations", [])
    return len(rows) == 2 and all(row["in_flight"] == row["unaccounted"] == 0 for row in rows)


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """What is answered there."""
    return (await client.get(path, params=query)).json()


async def test_every_accepted_alert_is_accounted_for_and_has_a_life(bridge_with, stranger, rules):
    """Delivered, not routed, dead and sent again: each is told by id, and the account adds up."""
    async with bridge_with(rules=rules) as bridge:
        await bridge.until_ready()
        client = bridge.client
        said = {"alert_type": "news", "source": "bot", "title": "said"}
        first = (await client.post("/alerts", json=said | {"id": "a"})).json()["seq"]
        await until(lambda: get(client, "/account"), quiet)
        stranger.says(400, {"message": "no"})
        await client.post("/alerts", json=said | {"id": "b"})
        account = await until(
            lambda: get(client, "/account"), lambda told: quiet(told) and told["totals"]["accepted"] == 4
        )

        rows = {row["name"]: row for row in account["destinations"]}
        assert (rows["desk"]["delivered"], sum(rows["desk"]["dead"].values())) == (1, 1)
        assert rows["phone"]["suppressed"] == {"not_routed": 2}
        assert account["received"]["json"] == {"stored": 2}
        a, b = [(await get(client, f"/alerts/{name}"))["alerts"][0] for name in "ab"]
        assert a["seq"] == first
        assert [(one["destination"], one["state"]) for one in a["life"]] == [
            ("desk", "delivered"),
            ("phone", "suppressed"),
        ]
        assert (b["life"][0]["state"], b["life"][0]["status"]) == ("dead", 400)

        [letter] = (await get(client, "/dead"))["letters"]
        assert (letter["alert_id"], letter["status"], letter["sent_again"]) == ("b", 400, False)
        ask = {"destination": "desk", "seqs": [letter["seq"]]}
        assert (await client.post("/dead/redeliver", json=ask)).json()["sent_again"] == [letter["seq"]]
        again = await until(
            lambda: get(client, f"/alerts/seq/{b['seq']}"),
            lambda told: told["life"][0]["state"] == "delivered",
        )
        assert again["life"][0]["replays"] == 1

        everything = "".join(
            [
                str(await get(client, path))
                for path in ("/alerts", "/alerts/a", "/account", "/destinations", "/dead")
            ]
        )
        assert "private-path" not in everything
        assert SECRET not in everything


async def test_the_accounts_gauges_add_up(bridge_with, stranger, rules):
    """Prometheus can check the promise by itself."""
    async with bridge_with(rules=rules) as bridge:
        await bridge.until_ready()
        for n in range(3):
            await bridge.client.post("/alerts", json={"alert_type": "loud", "source": "bot", "id": f"{n}"})
        await until(lambda: get(bridge.client, "/account"), quiet)
        line = 'baleen_alert_bridge_account_accepted{destination="phone"}'

        async def accepted() -> float:
            text = (await bridge.client.get("/metrics")).text
            return await bridge.metric(line) if line in text else 0

        await until(accepted, lambda count: count == 3)

        name = "baleen_alert_bridge_account_"
        assert await bridge.metric(name + 'delivered{destination="phone"}') == 3
        assert await bridge.metric(name + 'in_flight{destination="phone"}') == 0
        assert await bridge.metric(name + 'unaccounted{destination="phone"}') == 0
        assert await bridge.metric(name + "age_seconds") < 10


async def test_a_bridge_that_stopped_is_read_on_by_the_next(bridge_with, rules, stranger):
    """History and lives are on the bus: another replica knows them all the same."""
    async with bridge_with(rules=rules) as bridge:
        await bridge.until_ready()
        await bridge.client.post("/alerts", json={"alert_type": "news", "source": "bot", "id": "a"})
        await until(lambda: get(bridge.client, "/account"), quiet)
    async with bridge_with(rules=rules) as bridge:
        await bridge.until_ready()
        told = await until(lambda: get(bridge.client, "/alerts/a"), lambda told: "alerts" in told)

        assert told["alerts"][0]["life"][0]["state"] == "delivered"


async def test_any_replica_tells_of_all_and_sends_again(bridge_with, stranger, rules):
    """Whoever took an alert, and whoever serves its destination."""
    async with bridge_with(rules=rules) as one, bridge_with(rules=rules) as other:
        await one.until_ready()
        await other.until_ready()
        stranger.says(400, {"message": "no"})
        await one.client.post("/alerts", json={"alert_type": "news", "source": "bot", "id": "a"})
        for bridge in (one, other):
            account = await until(
                lambda bridge=bridge: get(bridge.client, "/account"),
                lambda told: quiet(told) and told["totals"]["dead"] == 1,
            )
            assert account["totals"]["accepted"] == 2
            told = (await get(bridge.client, "/alerts/a"))["alerts"][0]
            assert [chapter["state"] for chapter in told["life"]] == ["dead", "suppressed"]
        ask = {"destination": "desk", "all": True}
        first = (await other.client.post("/dead/redeliver", json=ask)).json()["sent_again"]
        again = (await one.client.post("/dead/redeliver", json=ask)).json()["sent_again"]
        assert (len(first), again) == (1, [])
        await until(
            lambda: get(one.client, "/alerts/a"),
            lambda told: told["alerts"][0]["life"][0]["state"] == "delivered",
        )


async def test_a_sources_token_opens_nothing_of_this(bridge_with):
    """Who may send may not see what others sent."""
    async with bridge_with(admin_token="an-operators-own-token") as bridge:
        await bridge.until_ready()
        headers = {"Authorization": f"Bearer {bridge.source.token}"}
        for path in ("/alerts", "/alerts/a", "/account", "/destinations", "/dead"):
            answer = await bridge.client.get(path, headers=headers)
            assert (path, answer.status_code) == (path, 401)


async def test_another_hosts_name_opens_nothing_without_the_operators_token(bridge_with):
    """A page whose name was made to mean this machine is turned away; an operator may use any name."""
    async with bridge_with(admin_token="an-operators-own-token") as bridge:
        await bridge.until_ready()
        host = {"Host": "evil.example"}
        token = {"Authorization": "Bearer an-operators-own-token"}

        assert (await bridge.client.get("/alerts", headers=host)).status_code == 421
        assert (await bridge.client.get("/account", headers=host | token)).status_code == 200


async def test_two_sources_that_count_alike_leave_a_dead_letter_each(bridge_with, stranger, rules):
    """The bus drops repeats by what a letter is called: two alerts of one id are not one."""
    async with bridge_with(rules=rules) as bridge:
        await bridge.until_ready()
        for source in ("bot", "other"):
            stranger.says(400, {"message": "no"})
            await bridge.client.post("/alerts", json={"alert_type": "news", "source": source, "id": "1"})
        await until(
            lambda: get(bridge.client, "/account"), lambda told: quiet(told) and told["totals"]["dead"] == 2
        )

        letters = (await get(bridge.client, "/dead"))["letters"]
        assert [letter["alert"]["source"] for letter in letters] == ["bot", "other"]
        sent = await bridge.client.post("/dead/redeliver", json={"destination": "desk", "all": True})
        assert len(sent.json()["sent_again"]) == 2
        await until(
            lambda: get(bridge.client, "/account"),
            lambda told: told["destinations"][0]["sent_again"] == {"delivered": 2},
        )


async def test_a_bridge_whose_stream_was_never_made_says_so_until_it_is(nats_server, bridge_with):
    """Whoever forgot the bootstrap reads it in readiness, and nothing has to be started again."""
    async with open_bus(url=nats_server.url, name="test", connect_within=10) as bus:
        await bus.request_json("$JS.API.STREAM.DELETE.ALERT")
    async with bridge_with() as bridge:
        await bridge.until_part("stream", "stream not found")
        assert (await bridge.client.get("/readyz")).status_code == 503
        assert (await bridge.client.get(f"{bridge.webhook}/messages/1")).status_code == 503
        await bootstrap(url=nats_server.url)
        await bridge.until_ready()
        assert (await bridge.client.get("/readyz")).json()["parts"]["stream"] == "ok"
