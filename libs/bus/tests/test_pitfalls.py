"""The pitfalls of the NATS client that touch this library, each a test that falls in without our care."""

import asyncio
import time
from typing import Any

import pytest
from nats.errors import OutboundBufferLimitError

import baleen_bus.profile
from baleen_bus import (
    DropReason,
    Follower,
    Live,
    OutboxFull,
    Publisher,
    PublishRefused,
    Unreachable,
    fetch_last,
    fetch_newest,
    open_bus,
)
from baleen_bus.reading import fetch_after
from baleen_bus.testing import eventually


async def ids_in(bus, stream="SIGNAL") -> list[str]:
    """The ids of all messages that the stream keeps, in its order."""
    found: list[Any] = []
    await fetch_after(bus, stream, ">", 0, found.append)
    return [item.headers["ce-id"] for item in found]


def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a half-open link show after half a second instead of ten."""
    monkeypatch.setitem(baleen_bus.profile.PROFILE, "ping_interval", 0.25)


async def test_pitfall_01_an_error_ack_settles_its_message_with_a_reason(nats_server, bus, signal):
    """The client's own publish_async would leave it pending for ever; what follows is stored."""
    info = await bus.request_json("$JS.API.STREAM.INFO.SIGNAL")
    await bus.request_json("$JS.API.STREAM.UPDATE.SIGNAL", info["config"] | {"max_msg_size": 1_000})
    async with Publisher(bus, source="test") as publisher:
        with pytest.raises(PublishRefused, match="too_big"):
            await publisher.publish(signal(1, padding=2_000))

        assert (await publisher.publish(signal(2))).seq == 1
        assert publisher.backlog == 0
        assert publisher.stats.dropped == {DropReason.TOO_BIG: 1}


async def test_pitfall_01_a_message_above_the_servers_limit_is_refused_at_the_door(bus, signal):
    """The server would hang up on it, and the client would close for good."""
    async with Publisher(bus, source="test") as publisher:
        with pytest.raises(PublishRefused, match="too_big"):
            publisher.offer(signal(1, padding=1_100_000))

        assert (await publisher.publish(signal(2))).seq == 1


async def test_pitfall_02_messages_in_flight_over_a_restart_all_settle(nats_server, bus, signal):
    """The client's own futures would hang for ever."""
    async with Publisher(bus, source="test") as publisher:
        waiting = [asyncio.create_task(publisher.publish(signal(n))) for n in range(200)]
        await eventually(lambda: publisher.stats.offered == 200)
        nats_server.restart()

        stored = await asyncio.wait_for(asyncio.gather(*waiting), 15)

    assert sorted(ack.seq for ack in stored) == list(range(1, 201))


async def test_pitfall_04_timeout_means_unknown_and_dedupe_makes_the_repeat_harmless(
    nats_server, bus, signal
):
    """A server too slow to ack gets the message again, stores it once, and the second ack is ignored."""
    async with Publisher(bus, source="test", ack_within=0.2) as publisher:
        await publisher.publish(signal(0))
        nats_server.freeze()
        try:
            publisher.offer(signal(1))
            await eventually(lambda: publisher.resent >= 2)
        finally:
            nats_server.thaw()
        await eventually(lambda: publisher.stats.late_acks >= 2)

        assert publisher.backlog == 0
        assert publisher.stats.stored == 2
        assert await ids_in(bus) == ["signal:s0", "signal:s1"]


async def test_pitfall_05_the_outbox_keeps_order_over_a_cut_and_is_bounded(nats_server, bus, signal):
    """The client's own buffer is 1 MiB, and sends what it holds ahead of anything we resend."""
    async with Publisher(bus, source="test", max_messages=300) as publisher:
        for n in range(100):
            publisher.offer(signal(n))
        nats_server.kill()
        await eventually(lambda: not bus.connected)
        with pytest.raises(OutboxFull):  # noqa: PT012 - which of them finds no room is not the point
            for n in range(100, 1_000):
                publisher.offer(signal(n))
        taken = publisher.stats.offered
        nats_server.start()

        assert await publisher.drain(15) == 0
        assert await ids_in(bus) == [f"signal:s{n}" for n in range(taken)]
        assert publisher.stats.full == 1


async def test_pitfall_05_what_the_client_had_not_written_is_not_sent_after_the_cut(nats_server, bus):
    """A new connection begins with nothing but our own resending."""
    nats_server.kill()
    await bus.nc.publish("ingress.signal.v1.SPY", b"{}")  # the client does not know yet
    await eventually(lambda: bus.stats.disconnects == 1)
    nats_server.start()
    await eventually(lambda: bus.connected and bus.stats.reconnects == 1)

    assert await fetch_newest(bus, "SIGNAL", ">", 10) == []


async def test_pitfall_06_the_clients_buffer_is_bounded_but_there(nats_server, bus):
    """A pending size of zero would take the only back-pressure away."""
    nats_server.kill()
    await eventually(lambda: not bus.connected)

    with pytest.raises(OutboundBufferLimitError):  # noqa: PT012 - as above
        for _ in range(3_000):
            await bus.nc.publish("anything", b"x" * 1_000)


async def test_pitfall_07_a_half_open_link_is_noticed_and_nothing_is_lost(nats_server, signal, monkeypatch):
    """A frozen server takes messages into its socket and never answers: pings tell."""
    quick_pings(monkeypatch)
    got: list[int] = []
    async with (
        open_bus(url=nats_server.url, name="test") as bus,
        Follower(bus, "SIGNAL", ["signal.>"], Live(), lambda item: got.append(item.seq), pytest.fail),
        Publisher(bus, source="test") as publisher,
    ):
        nats_server.freeze()
        try:
            for n in range(50):
                publisher.offer(signal(n))
            await eventually(lambda: bus.stats.disconnects == 1, within=5)
        finally:
            nats_server.thaw()

        assert await publisher.drain(15) == 0
        await eventually(lambda: len(got) == 50)
        assert got == list(range(1, 51))


async def test_pitfall_08_more_than_sixty_attempts_do_not_close_the_client(nats_server, monkeypatch):
    """By default it would be closed for good, with the process living on."""
    monkeypatch.setitem(baleen_bus.profile.PROFILE, "reconnect_time_wait", 0.01)
    closed: list[bool] = []
    async with open_bus(url=nats_server.url, name="test", on_closed=lambda: closed.append(True)) as bus:
        nats_server.kill()
        await eventually(lambda: bus.stats.errors.get("ConnectionRefusedError", 0) > 70)
        nats_server.start()
        await eventually(lambda: bus.connected)

    assert closed == []


async def test_pitfall_09_an_error_that_closes_for_good_is_told_to_the_owner(nats_server):
    """The service must end: this client will not come back."""
    closed = asyncio.Event()
    async with open_bus(url=nats_server.url, name="test", on_closed=closed.set) as bus:
        await bus.nc.send_raw(b"NONSENSE\r\n")

        await asyncio.wait_for(closed.wait(), 5)


async def test_pitfall_10_a_failing_listener_does_not_deafen_the_connection(bus):
    """An exception in the client's error callback would end its read loop, with is_connected still true."""

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("cannot say")

    bus.on_denied(lambda _: 1 / 0)
    await bus._error_cb(UnspeakableError())
    await bus._error_cb(Exception('permissions violation for publish to "x"'))

    assert (await bus.request_json("$JS.API.INFO"))["api"]["level"] >= 1


async def test_pitfall_10_a_failing_handler_does_not_deafen_the_connection(bus, signal):
    """It is counted, and the next message comes."""
    got: list[int] = []

    def fragile(item):
        got.append(item.seq)
        raise ValueError("cannot digest this")

    async with (
        Follower(bus, "SIGNAL", ["signal.>"], Live(), fragile, pytest.fail) as follower,
        Publisher(bus, source="test") as publisher,
    ):
        for n in range(3):
            await publisher.publish(signal(n))
        await eventually(lambda: got == [1, 2, 3])

        assert follower.stats.callback_errors == 3


async def test_pitfall_11_a_slow_reader_loses_nothing_on_our_side(nats_server, bus, signal):
    """The client's own queue would drop what it cannot hold, with one error call each."""
    got: list[int] = []

    def slow(item):
        time.sleep(0.001)
        got.append(item.seq)

    async with (
        Follower(bus, "SIGNAL", ["signal.>"], Live(), slow, pytest.fail) as follower,
        open_bus(url=nats_server.url, name="other") as other,
        Publisher(other, source="test") as publisher,
    ):
        for n in range(1_000):
            publisher.offer(signal(n))
        await publisher.drain(15)
        await eventually(lambda: len(got) == 1_000)

        assert bus.stats.errors == {}
        assert follower.stats.gaps == 0


async def test_pitfall_13_publishing_a_crowd_lets_other_tasks_run(bus, signal):
    """A tight loop of the client's publish would not give way once in 5,000 messages."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with Publisher(bus, source="test") as publisher:
        for n in range(5_000):
            publisher.offer(signal(n))
        task = asyncio.create_task(other())
        assert await publisher.drain(15) == 0
        task.cancel()

    assert turns >= 15


async def test_pitfall_14_only_an_ack_proves_delivery(nats_server, bus, signal):
    """The client's flush returns without error while it is disconnected; drain says what is left."""
    async with Publisher(bus, source="test") as publisher:
        nats_server.kill()
        publisher.offer(signal(1))
        await eventually(lambda: not bus.connected)
        await bus.nc.flush()

        assert await publisher.drain(0.2) == 1
        nats_server.start()
        assert await publisher.drain(15) == 0


async def test_pitfall_15_leaving_while_reconnecting_is_quick_and_quiet(nats_server):
    """The client's drain would raise."""
    async with open_bus(url=nats_server.url, name="test") as bus:
        nats_server.kill()
        await eventually(lambda: not bus.connected)
        began = time.monotonic()

    assert time.monotonic() - began < 5


async def test_pitfall_16_leaving_with_data_pending_on_a_dead_link_is_quiet(nats_server, signal):
    """The client's close would raise, and keep whoever comes next from closing; what is left is told."""
    async with open_bus(url=nats_server.url, name="test") as bus, Publisher(bus, source="test") as publisher:
        nats_server.kill()
        waiting = asyncio.create_task(publisher.publish(signal(1)))
        await bus.nc.publish("anything", b"x" * 100_000)
        await eventually(lambda: publisher.backlog == 1)

    with pytest.raises(PublishRefused, match="closed"):
        await waiting


async def test_pitfall_18_a_follower_hears_again_at_once_after_a_restart(nats_server, bus, signal):
    """The client's ordered consumers are deaf for 11 to 19 seconds."""
    got: list[int] = []
    async with (
        Follower(bus, "SIGNAL", ["signal.>"], Live(), lambda item: got.append(item.seq), pytest.fail),
        Publisher(bus, source="test") as publisher,
    ):
        await publisher.publish(signal(1))
        nats_server.restart()
        await eventually(lambda: bus.stats.reconnects == 1)
        began = time.monotonic()
        publisher.offer(signal(2))
        await eventually(lambda: got == [1, 2])

    assert time.monotonic() - began < 2


async def test_pitfall_21_every_stream_answers_direct_gets(bus):
    """They are off by default, and the request would find no responders."""
    names = (await bus.request_json("$JS.API.STREAM.NAMES"))["streams"]

    for name in names:
        await fetch_last(bus, name, ">")  # raises where nobody answers
    assert len(names) >= 10


async def test_pitfall_22_a_denied_publish_is_dropped_with_its_reason(nats_server_with_users, signal):
    """There is no ack and no exception, only a lower-cased error: retrying for ever would hide it."""
    server = nats_server_with_users
    async with (
        open_bus(url=server.url, name="test", **server.credentials("uw-ingest")) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        with pytest.raises(PublishRefused, match="denied"):
            await asyncio.wait_for(publisher.publish(signal(1)), 5)

        assert publisher.stats.dropped == {DropReason.DENIED: 1}
        assert bus.stats.denials == 1


async def test_pitfall_23_headers_are_text_that_cannot_break_out(bus, signal):
    """Spaces, quotes, line ends and non-ASCII are percent-encoded; dedupe works on what is sent."""
    odd = signal(1).model_copy(update={"id": 'a "b" 100%\r\nNats-TTL: 1s é'})
    async with Publisher(bus, source='a "source" é') as publisher:
        await publisher.publish(odd)
        assert (await publisher.publish(odd)).duplicate

    [item] = await fetch_newest(bus, "SIGNAL", ">", 10)
    assert (
        item.headers["ce-id"]
        == item.headers["Nats-Msg-Id"]
        == ("signal:a%20%22b%22%20100%25%0D%0ANats-TTL:%201s%20%C3%A9")
    )
    assert item.headers["ce-source"] == "a%20%22source%22%20%C3%A9"
    assert "Nats-TTL" not in item.headers


async def test_pitfall_24_connecting_to_nothing_ends_with_the_deadline():
    """The client would retry for ever."""
    began = time.monotonic()

    with pytest.raises(Unreachable, match=r"within 0\.3 s"):
        async with open_bus(url="nats://127.0.0.1:9", name="test", connect_within=0.3):
            pytest.fail("connected to nothing")

    assert time.monotonic() - began < 2
