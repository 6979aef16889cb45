"""What `baleen doctor` finds, on a real bus and on this machine."""

from baleen.doctor import Finding, Verdict, _bus, this_machine, upstream
from baleen.ports import free_ports
from baleen_bus.connection import open_bus
from baleen_bus.testing import NatsServer


async def findings(url: str, *passwords: str) -> list[Finding]:
    """Return what is found about a bus."""
    return [finding async for finding in _bus(url, passwords)]


async def test_a_bus_with_every_stream_is_fine(nats_server_with_users: NatsServer):
    """The team user's rights are enough to look, and a wrong password is followed by the right one."""
    right = nats_server_with_users.passwords["team"]
    found = await findings(nats_server_with_users.url, "wrong", right)

    assert [finding.verdict for finding in found] == [Verdict.OK, Verdict.OK]
    assert right not in str(found)


async def test_a_missing_and_a_changed_stream_are_named_with_the_cure(nats_server_with_users: NatsServer):
    """The checker is checked: it must see a stream that is gone and one that keeps too little."""
    server = nats_server_with_users
    async with open_bus(url=server.url, **server.credentials("bootstrap"), name="test") as bus:
        await bus.request_json("$JS.API.STREAM.DELETE.DEAD")
        config = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["config"]
        await bus.request_json("$JS.API.STREAM.UPDATE.ALERT", config | {"max_msgs_per_subject": 1})

    found = await findings(server.url, server.passwords["team"])

    assert found[-1].verdict is Verdict.FAIL
    assert found[-1].what == "streams missing: DEAD; different: ALERT"
    assert "bootstrap" in found[-1].cure


async def test_a_bus_that_is_not_there_or_refuses_is_told_without_the_password(
    nats_server_with_users: NatsServer,
):
    """Each failure has its cure, and no credential in it."""
    gone = await findings(f"nats://127.0.0.1:{free_ports().nats}", "the-password")
    refused = await findings(nats_server_with_users.url, "the-password")

    for found in (gone, refused):
        assert [finding.verdict for finding in found] == [Verdict.FAIL]
        assert "TEAM_NATS_PASSWORD" in found[0].cure
        assert "the-password" not in str(found)


def test_this_machine_can_run_it(tmp_path):
    """Whoever runs the tests has what `make up` needs; running outside the checkout's .venv is a warning."""
    found = this_machine(tmp_path)
    assert not [finding for finding in found if finding.verdict is Verdict.FAIL]
    assert [finding.what.split()[0] for finding in found if finding.verdict is Verdict.WARN][:1] == [
        "running"
    ]


def test_the_token_is_never_shown():
    """Whether there is one is all that is said."""
    assert "LIVE" in upstream({"UW_API_TOKEN": "the-real-token"}).what
    assert "the-real-token" not in str(upstream({"UW_API_TOKEN": "the-real-token"}))
    assert "SIMULATED" in upstream({}).what
