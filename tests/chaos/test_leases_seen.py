"""How takeovers are measured: checked with sightings made by hand."""

from tests.chaos.leases_seen import LeasesSeen, Sighting, sighting


def seen(*sightings: tuple[float, str, str | None]) -> LeasesSeen:
    """Leases with these values: moment, key, owner."""
    found = LeasesSeen()
    for at, key, owner in sightings:
        found.note(Sighting(at, key, owner))
    return found


def test_what_a_replica_holds_is_told_by_the_newest_value() -> None:
    """An older value, a release and a replica whose name begins alike do not count."""
    found = seen(
        (1, "socket.1", "ada"), (2, "socket.1", "bea"), (3, "socket.2", "ada"), (4, "socket.2", None),
        (5, "planner", "ada-7f"), (6, "rest", "adam"),
    )  # fmt: skip

    assert found.held_by("ada") == ["planner"]
    assert found.held_by("bea") == ["socket.1"]


def test_a_takeover_is_the_next_living_ones_value() -> None:
    """A renewal that was on its way when its holder died is not one, nor is a release."""
    found = seen((9, "rest", "ada"), (10.1, "rest", "ada"), (12, "rest", None), (15, "rest", "bea"))

    assert [took.took for took in found.takeovers(["rest"], "ada", 10.0)] == [5.0]


def test_a_lease_that_nobody_took_is_told() -> None:
    """Without a value there is no time."""
    assert [took.took for took in seen((9, "rest", "ada")).takeovers(["rest"], "ada", 10.0)] == [None]


def test_stored_changes_are_read_as_the_server_tells_them() -> None:
    """The key, the owner and the server's own moment; a delete marker has no owner."""
    headers = {"Nats-Time-Stamp": "2026-01-05T15:30:00.5Z"}
    held = sighting("kv.leases.socket.1", headers, b'{"owner":"ada","state":"connected"}')
    gone = sighting("kv.leases.socket.1", {**headers, "KV-Operation": "DEL"}, b"")

    assert (held.key, held.owner, held.value["state"]) == ("socket.1", "ada", "connected")
    assert held.at == 1_767_627_000.5
    assert gone.owner is None
