"""Publishing with one call, on a real server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import baleen_bus
from baleen_bus.errors import AccessRefused, BusClosed, BusStopped, PublishRefused, Unreachable
from baleen_bus.testing import NatsServer
from baleen_contracts.signals import Signal

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


def signal(number: int) -> Signal:
    """The signal with a number."""
    return Signal(id=f"s{number}", symbol="SPY", signal={"n": number}, occurred_at=NOW, received_at=NOW)


@pytest.fixture(autouse=True)
def _fresh_default() -> Iterator[None]:
    yield
    baleen_bus.close_default()


@pytest.fixture
def default_server(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> NatsServer:
    """A server that the environment names."""
    monkeypatch.setenv("BALEEN_NATS_URL", nats_server.url)
    return nats_server


async def test_one_await_publishes_and_says_where_it_is_stored(default_server: NatsServer) -> None:
    """A second telling of the same fact is known as such."""
    first = await baleen_bus.publish(signal(1))
    again = await baleen_bus.publish(signal(1))

    assert (first.stream, first.seq, first.duplicate) == ("SIGNAL", 1, False)
    assert (again.seq, again.duplicate) == (1, True)


async def test_many_threads_may_publish_at_once(default_server: NatsServer) -> None:
    """Every call is answered with its own sequence."""
    seqs: list[int] = []

    def speak(start: int) -> None:
        seqs.extend(baleen_bus.publish_sync(signal(start + n)).seq for n in range(20))

    threads = [threading.Thread(target=speak, args=(100 * n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))

    assert sorted(seqs) == list(range(1, 101))


def test_the_call_does_not_hang_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends within its deadline with an error that names the address and no credentials."""
    monkeypatch.setenv("BALEEN_NATS_URL", "nats://someone:hush@127.0.0.1:9")
    began = time.monotonic()

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9") as caught:
        baleen_bus.publish_sync(signal(1), within=0.3)

    assert time.monotonic() - began < 2
    assert "hush" not in str(caught.value)


async def test_a_wrong_password_is_said_at_once_and_may_be_corrected(
    nats_server_with_users: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call after the environment was put right succeeds."""
    monkeypatch.setenv("BALEEN_NATS_URL", nats_server_with_users.url)
    monkeypatch.setenv("BALEEN_NATS_USER", "uw-simulator")
    monkeypatch.setenv("BALEEN_NATS_PASSWORD", "wrong")
    with pytest.raises(AccessRefused, match="uw-simulator"):
        await baleen_bus.publish(signal(1))

    monkeypatch.setenv("BALEEN_NATS_PASSWORD", nats_server_with_users.passwords["uw-simulator"])
    assert (await baleen_bus.publish(signal(1))).seq == 1


async def test_a_message_said_during_a_restart_is_stored_once(default_server: NatsServer) -> None:
    """The call waits for the server to come back."""
    await baleen_bus.publish(signal(1))
    default_server.kill()
    waiting = asyncio.create_task(baleen_bus.publish(signal(2), within=10))
    await asyncio.sleep(0)
    default_server.start()

    assert (await waiting).seq == 2


async def test_a_call_that_waits_while_the_connection_is_closed_hears_of_it(
    default_server: NatsServer,
) -> None:
    """It is neither left waiting nor taken for cancelled."""
    await baleen_bus.publish(signal(1))
    default_server.freeze()
    waiting = asyncio.create_task(baleen_bus.publish(signal(2), within=30))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(baleen_bus.close_default, 0.1)
    default_server.thaw()

    async with asyncio.timeout(10):
        with pytest.raises((BusClosed, PublishRefused)):
            await waiting


def test_an_address_that_is_none_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and without the address, which may hold a password."""
    monkeypatch.setenv("BALEEN_NATS_URL", "nats://someone:hush@x:99999")

    with pytest.raises(BusStopped, match="BALEEN_NATS_URL") as caught:
        baleen_bus.publish_sync(signal(1), within=3)
    assert "hush" not in str(caught.value)
