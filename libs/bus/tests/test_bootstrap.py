"""Bringing a real server's streams to their configuration."""

import json
import subprocess
import sys

from baleen_bus import Bucket, fetch_last, fetch_newest, open_bus
from baleen_bus.bootstrap import Outcome, bootstrap, ensure_streams
from baleen_bus.buckets import BUCKETS
from baleen_bus.streams import StreamSettings, stream_config
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import streams

MADE = [*streams(), *(spec.stream for spec in BUCKETS.values())]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the command with this environment."""
    return subprocess.run(
        [sys.executable, "-m", "baleen_bus", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environ,
    )


async def test_a_second_run_changes_nothing():
    """The first one makes every stream of the catalogue, and every bucket."""
    with NatsServer() as server:
        first = await bootstrap(url=server.url)
        second = await bootstrap(url=server.url)

    assert first == [Outcome(name, "created") for name in MADE]
    assert second == [Outcome(name, "unchanged") for name in MADE]


async def test_a_setting_that_changed_is_brought_in(nats_server):
    """Without making the stream anew."""
    smaller = await bootstrap(url=nats_server.url, settings=StreamSettings(max_bytes=1 << 20))

    assert {outcome.change for outcome in smaller if outcome.stream in streams()} == {"updated"}
    async with open_bus(url=nats_server.url, name="test") as bus:
        info = await bus.request_json("$JS.API.STREAM.INFO.TAPE")
    assert info["config"]["max_bytes"] == 1 << 20


async def test_a_lease_lives_as_long_as_is_set(bus, nats_server):
    """Six seconds on one server; a change is brought in."""
    assert await Bucket(bus, "leases").ttl() == 6.0

    outcomes = await bootstrap(url=nats_server.url, settings=StreamSettings(lease_ttl=1.5))

    assert [outcome.stream for outcome in outcomes if outcome.change == "updated"] == ["KV_leases"]
    assert await Bucket(bus, "leases").ttl() == 1.5


async def test_a_subject_moves_between_streams_whatever_the_order(bus):
    """Its old owner lets go first, though it comes later in the list."""
    await bus.request_json("$JS.API.STREAM.DELETE.TAPE")
    taker = stream_config("TAPE", ["uw.v1.news._", *streams()["TAPE"]], StreamSettings())
    giver = stream_config("RECORDS", ["uw.v1.congress_trade.*"], StreamSettings())

    outcomes = await ensure_streams(bus, [taker, giver])

    assert outcomes == [Outcome("RECORDS", "updated"), Outcome("TAPE", "created")]


def test_the_command_says_what_it_did_and_fails_with_a_sentence(nats_server_sync):
    """Exit code 0 and a line a stream; 1, why it waits and what it gave up otherwise, without a password."""
    done = run("bootstrap", "--url", nats_server_sync.url)
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"{name} created" for name in MADE])

    failed = run("bootstrap", "--within", "0.3", BALEEN_NATS_URL="nats://u:hush@127.0.0.1:9")
    assert failed.returncode == 1
    waiting, gave_up = failed.stderr.splitlines()
    assert "cannot be reached" in waiting
    assert "hush" not in waiting
    assert gave_up == "bootstrap failed: no NATS server answered within 0.3 s"


async def test_bridge_state_replaces_the_older_value_of_its_path_and_events_age(bus):
    """One stream keeps both, so its sequence is the revision."""
    for n in range(3):
        headers = {"Nats-Msg-Id": f"s{n}", "Nats-Rollup": "sub"}
        await bus.js.publish("ingress.bridge.v1.state.a.b", b"%d" % n, headers=headers)
    for n in range(3):
        headers = {"Nats-Msg-Id": f"e{n}", "Nats-TTL": "604800s"}
        await bus.js.publish("ingress.bridge.v1.event.fill", b"%d" % n, headers=headers)

    kept = await fetch_newest(bus, "BRIDGE", ">", 10)
    assert [(item.subject, item.body) for item in kept] == [
        ("bridge.v1.state.a.b", b"2"),
        *(("bridge.v1.event.fill", b"%d" % n) for n in range(3)),
    ]


async def test_a_newest_only_stream_keeps_one_message_a_subject(bus):
    """So that a snapshot is the stream."""
    for n in range(3):
        await bus.js.publish("ingress.uw.v1.price.SPY", b"%d" % n, headers={"Nats-Msg-Id": f"{n}"})

    assert [item.body for item in await fetch_last(bus, "LATEST", ">")] == [b"2"]
    assert (await bus.request_json("$JS.API.STREAM.INFO.LATEST"))["state"]["messages"] == 1


def test_the_configuration_command_prints_what_the_server_takes():
    """A number that would not parse shows here, not in production."""
    text = run("nats-config").stdout

    assert "jetstream" in text
    assert json.dumps("uw-ingest") in text
