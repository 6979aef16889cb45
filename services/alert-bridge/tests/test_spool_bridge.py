"""A bridge with a spool: what it answers while the bus is away, and what the bus has afterwards."""

import asyncio
import resource
from datetime import UTC, datetime

import pytest

from alert_bridge.errors import SpoolUnusable
from alert_bridge.store.spool_file import Row, SpoolFile
from baleen_bus import Publisher, open_bus
from baleen_contracts.alert import Alert

BARE = {"alert_type": "dp_alert", "source": "monitor", "symbol": "SPY"}


async def until_metric(bridge, name, fits):
    """Wait until a metric of the bridge fits."""
    async with asyncio.timeout(20):
        while not fits(await bridge.metric(f"baleen_alert_bridge_{name}")):  # noqa: ASYNC110 - over a socket
            await asyncio.sleep(0.01)


async def until_spooled(bridge, count):
    """Wait until the spool has so many alerts."""
    await until_metric(bridge, "spool_alerts", lambda alerts: alerts == count)


async def until_connected(bridge):
    """Wait for the bus: with a spool, a bridge is ready before."""
    await until_metric(bridge, "bus_connected", bool)


async def test_while_the_bus_is_away_alerts_are_kept_and_brought_later(
    bridge_with, nats_server, alerts, tmp_path
):
    """202 says that the alert is spooled; the bus gets all of them in order once it is back."""
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_connected(bridge)
        nats_server.kill()
        answers = [await bridge.client.post("/alerts", json={**BARE, "id": n}) for n in range(20)]
        probe = await bridge.client.get("/readyz")
        kept = await bridge.metric("baleen_alert_bridge_spool_alerts")
        nats_server.restart()
        await until_spooled(bridge, 0)
        after = await bridge.client.post("/alerts", json={**BARE, "id": 20})

    assert {answer.status_code for answer in answers} == {202}
    assert {(said.json()["spooled"], said.json()["seq"]) for said in answers} == {(True, None)}
    assert probe.status_code == 200
    assert "disk" in probe.json()["parts"]["bus"]
    assert kept == 20
    assert "spooled" not in after.json()
    assert [alert.id for alert in await alerts() if alert.source == "monitor"] == [str(n) for n in range(21)]


async def test_discord_clients_hear_nothing_of_the_outage(bridge_with, nats_server, alerts, tmp_path):
    """204 without `wait`, 200 and the message with it, as ever."""
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_connected(bridge)
        nats_server.kill()
        plain = await bridge.client.post(bridge.webhook, json={"content": "x"})
        waited = await bridge.client.post(f"{bridge.webhook}?wait=true", json={"content": "y"})
        counted = await bridge.metric(
            'baleen_alert_bridge_requests_total{dialect="discord",outcome="spooled"}'
        )
        nats_server.restart()
        await until_spooled(bridge, 0)

    assert (plain.status_code, waited.status_code, waited.json()["content"]) == (204, 200, "y")
    assert counted == 2
    assert [alert.content for alert in await alerts()] == ["x", "y"]


async def test_only_the_first_waits_for_a_bus_that_hangs(bridge_with, nats_server, alerts, tmp_path):
    """An unconfirmed alert is spooled after `store_within`, the next one at once; each is stored once."""
    async with bridge_with(spool=tmp_path / "spool", store_within=1.5) as bridge:
        await until_connected(bridge)
        nats_server.freeze()
        first = await bridge.client.post("/alerts", json={**BARE, "id": 1})
        second = await bridge.client.post("/alerts", json={**BARE, "id": 2})
        nats_server.thaw()
        await until_spooled(bridge, 0)
        third = await bridge.client.post("/alerts", json={**BARE, "id": 3})

    assert (first.json()["spooled"], second.json()["spooled"]) == (True, True)
    assert second.elapsed.total_seconds() < 1.5 <= first.elapsed.total_seconds()
    assert third.json()["seq"] == 3
    assert [alert.id for alert in await alerts()] == ["1", "2", "3"]


async def test_alerts_wait_for_a_bus_that_was_never_there(bridge_with, nats_server, alerts, tmp_path):
    """A bridge that starts without a bus is ready, takes alerts, and hands them to the next process."""
    nats_server.kill()
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await bridge.until_ready()
        taken = await bridge.client.post("/alerts", json={**BARE, "id": 1})
        repeated = await bridge.client.post("/alerts", json={**BARE, "id": 1})
    nats_server.restart()
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_spooled(bridge, 0)

    assert (taken.json()["duplicate"], repeated.json()["duplicate"]) == (False, True)
    assert [alert.id for alert in await alerts()] == ["1"]


async def test_the_way_is_free_again_while_senders_go_on(
    bridge_with, nats_server, alerts, tmp_path, monkeypatch
):
    """Senders that never pause are soon served by the bus itself again, each one's alerts in order."""
    monkeypatch.setattr("alert_bridge.store.relay.NEARLY", 40)
    monkeypatch.setattr("alert_bridge.store.carrier.IN_FLIGHT", 20)  # so that bringing them takes a while
    spooled_last = {}

    async def send(bridge, name):
        for number in range(100_000):
            answer = await bridge.client.post("/alerts", json={**BARE, "source": name, "id": number})
            assert answer.status_code == 202
            if brought.is_set() and "spooled" not in answer.json():
                spooled_last[name] = number
                return

    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_connected(bridge)
        nats_server.kill()
        brought = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as senders:
            for number in range(8):
                senders.create_task(send(bridge, f"s{number}"), name=f"sender-{number}")
            await until_metric(bridge, "spool_alerts", lambda alerts: alerts > 100)
            nats_server.restart()
            brought.set()
        await until_spooled(bridge, 0)

    stored = await alerts()
    for name, last in spooled_last.items():
        assert [int(alert.id) for alert in stored if alert.source == name] == list(range(last + 1))


async def test_what_the_bus_has_is_not_sent_again_however_long_ago(
    nats_server, bridge_with, alerts, tmp_path
):
    """A former process stored an alert and died before it heard: the bus has forgotten the id, we look."""
    said = Alert(alert_type="a", source="bot", id="1", occurred_at=datetime.now(UTC))
    left = [said, said.model_copy(update={"id": "2"})]
    file = SpoolFile(tmp_path / "spool", max_bytes=1 << 20)
    with file.transaction():
        for number, alert in enumerate(left, 1):
            time, body = alert.occurred_at.isoformat(), alert.to_json()
            file.add(Row(number, alert.message_id, alert.subject, time, datetime.now(UTC).timestamp(), body))
    file.close()
    async with open_bus(url=nats_server.url, name="former", connect_within=5) as bus:
        config = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["config"]
        await bus.request_json("$JS.API.STREAM.UPDATE.ALERT", {**config, "duplicate_window": 100_000_000})
        async with Publisher(bus, source="alert-bridge") as publisher:
            await publisher.publish(said)
            async with asyncio.timeout(10):
                while (await publisher.publish(said)).duplicate:  # noqa: ASYNC110 - the server's clock
                    await asyncio.sleep(0.05)

    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_spooled(bridge, 0)

    assert [alert.id for alert in await alerts()] == [
        "1",
        "1",
        "2",
    ]  # the two of the former process, and ours


async def test_what_the_bus_refuses_holds_up_nobody(nats_server, bridge_with, alerts, tmp_path):
    """It stays in the file, is counted, and is tried again by the next process; the rest is brought."""
    said = Alert(alert_type="a", source="bot", id="2", occurred_at=datetime.now(UTC))
    time, now = said.occurred_at.isoformat(), datetime.now(UTC).timestamp()
    file = SpoolFile(tmp_path / "spool", max_bytes=4 << 20)
    with file.transaction():
        file.add(Row(1, "alert:1", "alert.v1.a._", time, now, b'"' + b"x" * (1 << 20) + b'"'))
        file.add(Row(2, said.message_id, said.subject, time, now, said.to_json()))
    file.close()
    for _ in range(2):
        async with bridge_with(spool=tmp_path / "spool") as bridge:
            await until_spooled(bridge, 1)
            await until_metric(bridge, "spool_refused_alerts", lambda count: count == 1)
            probe = await bridge.client.get("/readyz")
            direct = await bridge.client.post("/alerts", json=BARE)

            assert "refuses" in probe.json()["parts"]["spool"]
            assert direct.json()["seq"]

    assert [alert.id for alert in await alerts() if alert.source == "bot"] == ["2"]


async def test_a_full_spool_says_so(bridge_with, nats_server, tmp_path):
    """503 names the bound, is counted apart, and makes the bridge not ready; nothing is lost of the rest."""
    async with bridge_with(spool=tmp_path / "spool", spool_max_bytes=64 * 1024) as bridge:
        await until_connected(bridge)
        nats_server.kill()
        taken, refused = [], None
        while refused is None:
            answer = await bridge.client.post("/alerts", json={**BARE, "content": "x" * 5000})
            refused = answer if answer.status_code != 202 else taken.append(answer)
        probe = await bridge.client.get("/readyz")
        counted = await bridge.metric(
            'baleen_alert_bridge_requests_total{dialect="json",outcome="spool_full"}'
        )
        nats_server.restart()
        await until_spooled(bridge, 0)
        await bridge.until_ready()
        again = await bridge.client.post("/alerts", json=BARE)

    assert len(taken) == 11
    assert refused.status_code == 503
    assert (refused.json()["error"], "full" in refused.json()["message"]) == ("spool_full", True)
    assert int(refused.headers["retry-after"]) > 0
    assert (probe.status_code, "full" in probe.json()["parts"]["spool"]) == (503, True)
    assert counted == 1
    assert again.json()["seq"] == 12


async def test_a_disk_that_fails_is_a_503(bridge_with, nats_server, tmp_path):
    """While the disk takes nothing no alert is accepted; when it does again, they are."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_connected(bridge)
        nats_server.kill()
        await bridge.client.post("/alerts", json={**BARE, "content": "x" * 20_000})
        written = (tmp_path / "spool-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (written, before[1]))
        try:
            refused = await bridge.client.post("/alerts", json={**BARE, "content": "x" * 20_000})
            probe = await bridge.client.get("/readyz")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        taken = await bridge.client.post("/alerts", json=BARE)
        mode = (tmp_path / "spool-wal").stat().st_mode & 0o777

    assert mode == 0o600
    assert (refused.status_code, refused.json()["error"]) == (503, "spool_failed")
    assert (probe.status_code, "disk" in probe.json()["parts"]["spool"]) == (503, True)
    assert taken.status_code == 202


async def test_two_bridges_do_not_share_a_spool(bridge_with, tmp_path):
    """The second one refuses to start, and says why."""
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await bridge.until_ready()
        with pytest.raises(SpoolUnusable, match="in use by another bridge"):
            async with bridge_with(spool=tmp_path / "spool"):
                pass


async def test_a_disk_that_failed_is_no_reason_once_the_bus_is_back(bridge_with, nats_server, tmp_path):
    """The bridge is ready again as soon as the bus takes alerts; the trouble with the disk is still told."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with bridge_with(spool=tmp_path / "spool") as bridge:
        await until_connected(bridge)
        nats_server.kill()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            refused = await bridge.client.post("/alerts", json={**BARE, "content": "x" * 20_000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        nats_server.restart()
        await bridge.until_ready()
        probe = await bridge.client.get("/readyz")

    assert refused.json()["error"] == "spool_failed"
    assert "disk" in probe.json()["parts"]["spool"]
