"""What each user can and cannot do, asked of the real server with the configuration that ships."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from baleen_bus import (
    AccessRefused,
    Bucket,
    Follower,
    LastPerSubject,
    Live,
    Publisher,
    Wishing,
    fetch_last,
    fetch_newest,
    open_bus,
    read_wishes,
    stream_epoch,
)
from baleen_bus.permissions import PASSWORD_VARIABLES, nats_config, rights_of
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import CATALOGUE, streams

CONFIG = Path(__file__).parents[3] / "deploy" / "nats" / "nats-server.conf"
INGRESS = {
    "uw-ingest": {"uw", "feed"},
    "alert-bridge": {"alert", "dead"},
    "uw-simulator": {"signal", "market", "agent", "narrative", "session", "bridge"},
    "engine": {"session"},
    "publisher": {"alert", "signal", "market", "agent", "narrative", "bridge"},
}
STORED = [entity for entity in CATALOGUE if entity.stream is not None]


def subject_of(pattern: str) -> str:
    """A subject that the pattern matches."""
    return pattern.replace("*", "x").replace(">", "x.y")


def as_user(server: NatsServer, user: str):
    """A connection as one of our users."""
    return open_bus(url=server.url, name=f"test/{user}", connect_within=5, **server.credentials(user))


async def denied(bus, subject: str) -> bool:
    """Whether the server refuses a publish; the round trip afterwards proves that it had its chance to."""
    before = bus.stats.denials
    await bus.nc.publish(subject, b"{}")
    await bus.request_json("$JS.API.INFO")  # the client's flush may overtake what it should flush
    return bus.stats.denials > before


async def may_hear(bus, subject: str) -> bool:
    """Whether the server allows a subscription."""
    before = bus.stats.denials
    subscription = await bus.nc.subscribe(subject)
    await bus.request_json("$JS.API.INFO")
    heard = bus.stats.denials == before
    await subscription.unsubscribe()
    return heard


def test_the_committed_configuration_is_the_generated_one():
    """Run `baleen-bus nats-config > deploy/nats/nats-server.conf` after a change."""
    assert CONFIG.read_text(encoding="utf-8") == nats_config()


def test_the_configuration_holds_no_password_and_no_open_address():
    """Both come from the environment."""
    text = nats_config()

    assert all(f"password: ${variable}" in text for variable in PASSWORD_VARIABLES.values())
    assert "0.0.0.0" not in text  # noqa: S104 - looked for, not bound
    assert "listen: $BALEEN_NATS_LISTEN" in text


@pytest.mark.parametrize("user", PASSWORD_VARIABLES)
async def test_a_user_publishes_exactly_its_own_ingress(nats_server_with_users, user):
    """Of every entity that a stream keeps."""
    async with as_user(nats_server_with_users, user) as bus:
        for entity in STORED:
            subject = subject_of(entity.pattern)
            allowed = subject.split(".", 1)[0] in INGRESS.get(user, set())
            assert await denied(bus, f"ingress.{subject}") is not allowed, subject


@pytest.mark.parametrize("user", PASSWORD_VARIABLES)
async def test_nobody_publishes_on_a_public_subject(nats_server_with_users, user):
    """What stands there was stored and numbered by a stream."""
    async with as_user(nats_server_with_users, user) as bus:
        for entity in STORED:
            assert await denied(bus, subject_of(entity.pattern)), entity.name


@pytest.mark.parametrize("user", PASSWORD_VARIABLES)
async def test_only_bootstrap_manages_streams(nats_server_with_users, user):
    """Not even the one who fills a stream may empty it."""
    async with as_user(nats_server_with_users, user) as bus:
        for verb in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE"):
            subject = f"$JS.API.STREAM.{verb}.NONE"
            assert await denied(bus, subject) is (user != "bootstrap"), verb


@pytest.mark.parametrize("user", PASSWORD_VARIABLES)
async def test_nobody_hears_anothers_inbox_or_ingress(nats_server_with_users, user):
    """Answers are for who asked; ingress is for the streams."""
    async with as_user(nats_server_with_users, user) as bus:
        assert await may_hear(bus, f"_INBOX_{user}.x")
        for subject in ("_INBOX.>", ">", "ingress.>", "_INBOX_other.x"):
            assert not await may_hear(bus, subject), subject


@pytest.mark.parametrize("user", ["ws-gateway", "team"])
async def test_a_reader_follows_every_stream_from_a_snapshot(nats_server_with_users, user):
    """Beyond 1,024 subjects too, for which a consumer is made."""
    server = nats_server_with_users
    async with as_user(server, "uw-ingest") as writer, as_user(server, user) as bus:
        for n in range(1_100):
            await writer.nc.publish(f"ingress.uw.v1.price.T{n}", b"{}", headers={"Nats-Msg-Id": f"{n}"})
        await writer.request_json("$JS.API.INFO")
        got: list[int] = []
        start = LastPerSubject()
        async with Follower(
            bus, "LATEST", ["uw.v1.price.*"], start, lambda item: got.append(item.seq), got.append
        ):
            await eventually(lambda: len(got) == 1_100)
        for name, patterns in streams().items():
            async with Follower(bus, name, patterns, Live(), got.append, got.append):
                await fetch_newest(bus, name, patterns[0], 5)
        assert bus.stats.denials == 0


async def test_a_service_reads_no_stream_that_is_not_its_business(nats_server_with_users):
    """A direct get by body ignores subject permissions, so it is granted by stream."""
    async with as_user(nats_server_with_users, "uw-ingest") as bus:
        assert await fetch_last(bus, "TAPE", ">") == []
        with pytest.raises(AccessRefused, match="ALERT"):
            await asyncio.wait_for(fetch_last(bus, "ALERT", ">"), 2)
        with pytest.raises(AccessRefused, match="ALERT"):
            await asyncio.wait_for(stream_epoch(bus, "ALERT"), 2)
        assert bus.stats.denials == 2


async def test_a_publisher_publishes_and_reads_nothing(nats_server_with_users):
    """A bot that speaks needs no more, and whoever gets its password learns nothing."""
    async with as_user(nats_server_with_users, "publisher") as bus:
        async with Publisher(bus, source="bot") as publisher:
            alert = Alert(alert_type="rally", source="bot", occurred_at=datetime.now(UTC))
            assert (await asyncio.wait_for(publisher.publish(alert), 5)).stream == "ALERT"
        assert bus.stats.denials == 0
        for entity in STORED:
            assert not await may_hear(bus, subject_of(entity.pattern)), entity.name
        for name in streams():
            assert await denied(bus, f"$JS.API.STREAM.INFO.{name}"), name
            assert await denied(bus, f"$JS.API.DIRECT.GET.{name}"), name
            assert await denied(bus, f"$JS.API.CONSUMER.CREATE.{name}.x"), name


async def test_a_command_is_asked_by_the_gateway_and_answered_by_its_owner(nats_server_with_users):
    """Who may hear a request may answer it, and nobody else may ask."""
    server = nats_server_with_users
    async with (
        as_user(server, "uw-ingest") as owner,
        as_user(server, "ws-gateway") as gateway,
        as_user(server, "team") as team,
    ):

        async def answer(message) -> None:
            await message.respond(b'{"ok":true}')

        await owner.nc.subscribe("command.v1.ingest.*", cb=answer)
        await owner.request_json("$JS.API.INFO")
        assert await gateway.request_json("command.v1.ingest.reconnect", {"action": "reconnect"}) == {
            "ok": True
        }
        assert await denied(team, "command.v1.ingest.reconnect")


@pytest.mark.parametrize("user", PASSWORD_VARIABLES)
async def test_a_lease_is_kept_by_those_who_contend_for_it(nats_server_with_users, user):
    """The ingest alone has the budget; a wish is written by its kind's user, and read by the ingest."""
    ingest, bridge = user == "uw-ingest", user == "alert-bridge"
    writes = {
        "$KV.leases.socket.1": ingest,
        "$KV.leases.planner": ingest,
        "$KV.leases.deliver.x": bridge,
        "$KV.leases.watch": bridge,
        "$KV.delivery.17.x": bridge,
        "$KV.budget.plan": ingest,
        "$KV.demand.team.x.y": user == "team",
        "$KV.demand.gateway.x.y": user == "ws-gateway",
        "$KV.demand.other.x.y": False,
        "kv.leases.socket.1": False,
    }
    async with as_user(nats_server_with_users, user) as bus:
        for subject, allowed in writes.items():
            assert await denied(bus, subject) is not allowed, subject
        assert await may_hear(bus, "kv.leases.deliver.x") is (ingest or bridge)
        for bucket, reader in (
            ("leases", ingest or bridge),
            ("budget", ingest),
            ("demand", ingest),
            ("delivery", bridge),
        ):
            hears = reader and not (bridge and bucket == "leases")  # a bridge hears of its own leases only
            assert await may_hear(bus, f"kv.{bucket}.>") is hears
            assert not await may_hear(bus, f"$KV.{bucket}.>")
            for request in (f"STREAM.INFO.KV_{bucket}", f"DIRECT.GET.KV_{bucket}"):
                # Who manages streams may ask anything of them.
                assert await denied(bus, f"$JS.API.{request}") is not (reader or user == "bootstrap"), request


async def test_the_ingest_does_all_that_leases_and_budget_need(nats_server_with_users):
    """Without a single denial."""
    async with as_user(nats_server_with_users, "uw-ingest") as bus:
        for name, key in (("leases", "socket.9"), ("budget", "a")):
            bucket = Bucket(bus, name)
            await bucket.on_change(lambda _entry: None)
            revision = await bucket.create(key, b"1")
            await bucket.update(key, b"2", last=revision)
            assert [entry.value for entry in await bucket.read_all() if entry.key == key] == [b"2"]
            assert await bucket.read(key) is not None
            await bucket.delete(key)
            await bucket.state()
        assert await read_wishes(bus) == ([], [])
        assert bus.stats.denials == 0


async def test_the_bridge_does_all_that_deliveries_need(nats_server_with_users):
    """A durable consumer, its acks, its lease and what became of each alert, without a single denial."""
    async with as_user(nats_server_with_users, "alert-bridge") as bus:
        config = {"durable_name": "deliver-x", "filter_subject": "alert.v1.>", "ack_policy": "explicit"}
        for verb, body in (("CREATE", {"stream_name": "ALERT", "config": config}), ("INFO", None)):
            tail = ".alert.v1.>" if verb == "CREATE" else ""
            await bus.request_json(f"$JS.API.CONSUMER.{verb}.ALERT.deliver-x{tail}", body)
        assert not await denied(bus, "$JS.ACK.ALERT.deliver-x.1.1.1.0.0")
        for name, key in (("leases", "deliver.x"), ("leases", "watch"), ("delivery", "1.x")):
            bucket = Bucket(bus, name)
            await bucket.on_change(lambda _entry: None, key=key)
            await bucket.put(key, b"1")
            assert [entry.value for entry in await bucket.read_all() if entry.key == key] == [b"1"]
        await bus.request_json("$JS.API.CONSUMER.DELETE.ALERT.deliver-x")
        assert bus.stats.denials == 0


async def test_more_wishes_than_one_request_answers_are_read(nats_server_with_users):
    """Gateways have many clients."""
    server = nats_server_with_users
    async with as_user(server, "ws-gateway") as gateway, as_user(server, "uw-ingest") as ingest:
        wishing = Wishing(gateway, kind="gateway", wisher="g")
        wishing.want(*(f"uw.v1.gex.T{n}" for n in range(1_100)))
        await wishing.tell()
        wishes, refused = await read_wishes(ingest)
        assert (len(wishes), refused) == (1_100, [])
        assert ingest.stats.denials == 0


async def test_the_ingest_may_ask_what_it_answers(nats_server_with_users):
    """A reconnect asked over HTTP goes over the bus too, so that every replica hears of it."""
    async with as_user(nats_server_with_users, "uw-ingest") as bus:
        assert not await denied(bus, "command.v1.ingest.reconnect")
        assert await denied(bus, "command.v1.session.s1")


async def test_a_wrong_password_does_not_get_in(nats_server_with_users):
    """Said at once, not after a deadline, and without the password."""
    server = nats_server_with_users
    with pytest.raises(AccessRefused, match="uw-ingest") as caught:
        async with open_bus(url=server.url, user="uw-ingest", password="wr0ng", name="test"):
            pytest.fail("got in")
    assert "wr0ng" not in str(caught.value)


async def test_nobody_gets_in_without_a_user(nats_server_with_users):
    """There is no default user."""
    with pytest.raises(AccessRefused):
        async with open_bus(url=nats_server_with_users.url, name="test"):
            pytest.fail("got in")


def test_every_user_has_rights():
    """And no rights exist for a user that has no password."""
    for user in PASSWORD_VARIABLES:
        assert rights_of(user).subscribe[0] == f"_INBOX_{user}.>"
    with pytest.raises(KeyError):
        rights_of("somebody")
