"""The seam over the client's private parts holds: what we bypass does the same as what we leave alone."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from baleen_bus.acks import plain_ack
from baleen_bus.testing import eventually
from baleen_bus.wire import WireClient


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


HEAD = b"NATS/1.0\r\nName: value\r\n\r\n"
SAID = {
    b"MSG a 1 4\r\nbody\r\n": (b"a", b"body", None),
    b"MSG a 1 reply 4\r\nwith\r\n": (b"a", b"with", None),
    b"MSG a 1 77 4\r\ntrap\r\n": (b"a", b"trap", None),
    b"MSG b.c 1 0\r\n\r\n": (b"b.c", b"", None),
    b"MSG d 1 17\r\nMSG a 1 4\r\nbody\r\n\r\n": (b"d", b"MSG a 1 4\r\nbody\r\n", None),
    b"HMSG e 1 %d %d\r\n%bbody\r\n" % (len(HEAD), len(HEAD) + 4, HEAD): (b"e", b"body", HEAD),
    b"HMSG e 1 %d %d\r\n%b\r\n" % (len(HEAD), len(HEAD), HEAD): (b"e", b"", HEAD),
    b"MSG f 2 4\r\nnone\r\n": None,
    b"+OK\r\n": None,
}
"""What a server may say, and what the listener of subscription 1 hears of it."""


@given(st.lists(st.sampled_from(sorted(SAID)), max_size=12), st.lists(st.integers(0, 400), max_size=8))
def test_however_the_bytes_are_cut_every_message_is_heard_once_and_in_order(
    said: list[bytes], cuts: list[int]
):
    """The client's parser finishes what it began; between its messages ours reads whole chunks."""
    stream, heard, failures = b"".join(said), [], []

    async def read() -> None:
        client = WireClient(failures.append)
        client._straight[1] = lambda *message: heard.append(message)
        edges = [0, *sorted(cuts), len(stream)]
        for begin, end in pairwise(edges):
            await client._ps.parse(stream[begin:end])

    asyncio.run(read())

    assert heard == [SAID[words] for words in said if SAID[words] is not None]
    assert failures == []


async def test_a_listener_that_fails_costs_only_its_own_message():
    """It is told of, and the rest of the chunk is read."""
    heard, failures = [], []
    client = WireClient(failures.append)
    client._straight[1] = lambda _subject, body, _headers: heard.append(1 // int(body))

    await client._ps.parse(b"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n0\r\nMSG a 1 1\r\n1\r\n")

    assert heard == [1, 1]
    assert [type(failure) for failure in failures] == [ZeroDivisionError]


async def test_what_a_failing_reader_leaves_goes_to_the_listener():
    """It is told of, and no message is lost."""
    heard, failures = [], []
    client = WireClient(failures.append)
    client._straight[1] = lambda _subject, body, _headers: heard.append(body)
    client._readers[1] = lambda _chunk, _at: 1 // 0

    await client._ps.parse(b"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n")

    assert heard == [b"1", b"2"]
    assert {type(failure) for failure in failures} == {ZeroDivisionError}


async def test_a_servers_ack_is_as_plain_as_we_take_it_to_be(bus):
    """A server that says it otherwise is understood, but slowly: this is where that shows."""
    chunks: list[bytes] = []
    inbox = bus.nc.new_inbox() + "."

    def look(chunk: bytes, at: int) -> int:
        chunks.append(chunk[at:])
        return at

    await bus.nc.listen(f"{inbox}*", lambda *_message: None, look)
    head = b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n"
    command = b"HPUB ingress.signal.v1.SPY %b7 %d %d\r\n%b{}\r\n" % (
        inbox.encode(),
        len(head),
        len(head) + 2,
        head,
    )
    await bus.nc.send_raw(command)
    await eventually(lambda: chunks)

    found = plain_ack(inbox)(chunks[0], 0)
    assert found is not None
    assert found.groups() == (b"7", b"SIGNAL", b"1")


async def test_a_listener_that_ends_its_own_subscription_hears_no_more_of_the_chunk():
    """The rest is for nobody."""
    heard = []
    client = WireClient(lambda _failure: None)

    def once(_subject: bytes, body: bytes, _headers: bytes | None) -> None:
        heard.append(body)
        client._straight.clear()

    client._straight[1] = once
    await client._ps.parse(b"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n")

    assert heard == [b"1"]
