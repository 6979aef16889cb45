"""Who may read a stream may have the server tell its messages on any subject: how far that reaches."""

import pytest

from baleen_bus import Follower, Live, open_bus
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts import by_name, example
from baleen_contracts.signals import Signal

HEARD = "uw.v1.option_trade.SPY"
UNHEARD = ("ingress.alert.v1.forged.SPY", "$KV.leases.socket.1")


def as_user(server: NatsServer, user: str):
    """A connection as one of our users."""
    return open_bus(url=server.url, name=f"test/{user}", connect_within=5, **server.credentials(user))


async def told_on(team, subject: str) -> None:
    """Have the stream of signals told on a subject that this user may not publish on."""
    name = "elsewhere-" + str(len(subject))
    config = {"name": name, "deliver_subject": subject, "deliver_policy": "all", "ack_policy": "none"}
    request = {"stream_name": "SIGNAL", "config": config}
    await team.request_json(f"$JS.API.CONSUMER.CREATE.SIGNAL.{name}", request)


@pytest.fixture
async def signal_stored(nats_server_with_users) -> NatsServer:
    """A server whose stream of signals has one."""
    async with as_user(nats_server_with_users, "publisher") as publisher:
        signal = Signal.model_validate(example(by_name("signal")))
        headers = {"Nats-Msg-Id": signal.message_id}
        await publisher.js.publish(f"ingress.{signal.subject}", signal.to_json(), headers=headers)
    return nats_server_with_users


async def test_a_follower_takes_it_for_forged(signal_stored):
    """It has not the mark of a stream; whoever subscribes without a Follower cannot tell."""
    followed = []
    async with (
        as_user(signal_stored, "team") as team,
        as_user(signal_stored, "ws-gateway") as gateway,
        Follower(gateway, "TAPE", ["uw.>"], Live(), followed.append, followed.append) as follower,
    ):
        heard = await hearing(team)
        await told_on(team, HEARD)
        await eventually(lambda: follower.stats.forged == 1 and heard)

    assert followed == []


@pytest.mark.parametrize("subject", UNHEARD)
async def test_no_stream_and_no_bucket_stores_it(signal_stored, subject):
    """A consumer tells only where a client listens, and nobody may listen there."""
    async with as_user(signal_stored, "team") as team, as_user(signal_stored, "uw-ingest") as ingest:
        before = [await _last(team, "ALERT"), await _last(ingest, "KV_leases")]
        await told_on(team, subject)
        heard = await hearing(team)
        await told_on(team, HEARD)
        await eventually(lambda: heard)  # a later one has told by now

        assert [await _last(team, "ALERT"), await _last(ingest, "KV_leases")] == before


async def hearing(bus) -> list[str]:
    """Subscribe as any NATS client does; the list grows by what is heard."""
    heard = []

    async def hear(message) -> None:
        heard.append(message.subject)

    await bus.nc.subscribe(HEARD, cb=hear)
    return heard


async def _last(bus, stream: str) -> int:
    return int((await bus.request_json(f"$JS.API.STREAM.INFO.{stream}"))["state"]["last_seq"])
