"""The seam over the client's private parts holds: what we bypass does the same as what we leave alone."""

import asyncio

from baleen_bus.testing import eventually


async def test_a_raw_command_arrives_as_the_clients_own_publish_does(bus):
    """Byte for byte, headers included."""
    heard: list[tuple[bytes, bytes, bytes | None]] = []
    await bus.nc.listen("x.>", lambda *message: heard.append(message))
    await bus.nc.publish("x.a", b"body", headers={"Name": "value"})
    await bus.nc.send_raw(b"HPUB x.a 25 29\r\nNATS/1.0\r\nName: value\r\n\r\nbody\r\n")
    await eventually(lambda: len(heard) == 2)

    assert heard[0] == heard[1] == (b"x.a", b"body", b"NATS/1.0\r\nName: value\r\n\r\n")


async def test_messages_without_headers_are_heard_too(bus):
    """Their header block is None."""
    heard: list[tuple[bytes, bytes, bytes | None]] = []
    await bus.nc.listen("x", lambda *message: heard.append(message))
    await bus.nc.publish("x", b"body")
    await eventually(lambda: heard)

    assert heard[0][2] is None


async def test_order_holds_across_listening_subscriptions(bus):
    """The client's own callbacks run one task a subscription, each in its own order only."""
    heard: list[int] = []
    for name in ("a", "b", "c"):
        await bus.nc.listen(f"x.{name}", lambda _subject, body, _headers: heard.append(int(body)))
    for n in range(300):
        await bus.nc.publish(f"x.{'abc'[n % 3]}", b"%d" % n)
    await eventually(lambda: len(heard) == 300)

    assert heard == list(range(300))


async def test_listening_survives_a_restart_and_ends_when_told(nats_server, bus):
    """The client restores the subscription; afterwards nothing is left of it."""
    heard: list[bytes] = []
    subscription = await bus.nc.listen("x", lambda _subject, body, _headers: heard.append(body))
    nats_server.restart()
    await eventually(lambda: bus.stats.reconnects == 1)
    await bus.nc.publish("x", b"1")
    await eventually(lambda: heard == [b"1"])

    await bus.nc.unlisten(subscription)
    await bus.nc.publish("x", b"2")
    await bus.request_json("$JS.API.INFO")
    assert heard == [b"1"]
    assert bus.nc._straight == {}


async def test_the_clients_own_subscriptions_and_requests_are_left_alone(bus):
    """Header parsing and callbacks as the client documents them."""
    heard: asyncio.Queue = asyncio.Queue()
    await bus.nc.subscribe("y", cb=heard.put)
    await bus.nc.publish("y", b"body", headers={"Name": "value"})

    message = await asyncio.wait_for(heard.get(), 5)
    assert message.headers == {"Name": "value"}
    assert (await bus.request_json("$JS.API.INFO"))["api"]["level"] >= 1


async def test_after_a_cut_nothing_of_the_old_connection_is_left(bus):
    """Neither commands that were not written nor a message that was half read."""
    await bus.nc._ps.parse(b"MSG x 1 5\r\nab")
    bus.nc._pending.append(b"PUB x 1\r\na\r\n")
    bus.nc._pending_data_size += 12

    bus.nc.start_clean()

    assert (bytes(bus.nc._ps.buf), bus.nc._pending, bus.nc.pending_data_size) == (b"", [], 0)
    assert (await bus.request_json("$JS.API.INFO"))["api"]["level"] >= 1
