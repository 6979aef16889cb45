"""Sessions announced by engines and looked up by the gateway, with the rights of each."""

from datetime import UTC, datetime

import pytest

from baleen_bus import AccessRefused, Bucket, key_token, open_bus
from baleen_bus.buckets import SESSIONS
from baleen_bus.sessions import announce_session, read_session
from baleen_bus.testing import NatsServer
from baleen_contracts.command import session_subject
from baleen_contracts.session_entry import SessionEntry

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)


def as_user(server: NatsServer, user: str):
    """A connection as one of our users."""
    return open_bus(url=server.url, name=f"test/{user}", connect_within=5, **server.credentials(user))


async def test_a_session_is_found_under_its_own_id_only(nats_server_with_users):
    """Whatever the id is made of; what is no entry, or another session's, is none."""
    entry = SessionEntry(session_id="bt 7.β/*", session_type="backtest", owner="ann", updated_at=NOON)
    server = nats_server_with_users
    async with as_user(server, "engine") as engine, as_user(server, "ws-gateway") as gateway:
        await announce_session(engine, entry)
        for key, value in (("torn", b"{"), ("stolen", entry.to_json())):
            await Bucket(engine, SESSIONS).put(key, value)

        assert await read_session(gateway, "bt 7.β/*") == entry
        assert [await read_session(gateway, other) for other in ("bt", "torn", "stolen")] == [None] * 3
        await Bucket(engine, SESSIONS).delete(key_token(entry.session_id))
        assert await read_session(gateway, entry.session_id) is None
        assert gateway.stats.denials == engine.stats.denials == 0


@pytest.mark.parametrize("user", ["ws-gateway", "alert-bridge", "team", "uw-ingest"])
async def test_nobody_but_an_engine_says_whose_a_session_is(nats_server_with_users, user):
    """Whoever could would open every session to himself."""
    entry = SessionEntry(session_id="s", session_type="backtest", owner="mallory", updated_at=NOON)
    async with as_user(nats_server_with_users, user) as bus:
        with pytest.raises(AccessRefused):
            await announce_session(bus, entry)


async def test_an_engine_hears_orders_to_sessions_and_answers_them(nats_server_with_users):
    """And no others."""
    server = nats_server_with_users
    async with as_user(server, "engine") as engine, as_user(server, "ws-gateway") as gateway:

        async def answer(message) -> None:
            await message.respond(b'{"ok":true}')

        await engine.nc.subscribe(session_subject("s"), cb=answer)
        await engine.request_json("$JS.API.INFO")
        assert await gateway.request_json(session_subject("s"), {"action": "pause"}) == {"ok": True}
        assert engine.stats.denials == gateway.stats.denials == 0
        await engine.nc.subscribe("command.v1.ingest.>")
        await engine.request_json("$JS.API.INFO")
        assert engine.stats.denials == 1
