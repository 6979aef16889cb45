"""Dead letters that are sent again, and destinations that nobody serves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from alert_bridge.deliver import names
from alert_bridge.deliver.couriers import resume
from alert_bridge.deliver.ends import State
from alert_bridge.deliver.ledger import Ledger
from alert_bridge.deliver.letters import replay_of
from alert_bridge.deliver.standing import kept_in
from alert_bridge.deliver.testing import GivenRules, Serving, Taker, an_alert, rules_for, serving
from alert_bridge.deliver.upkeep import forget, refresh
from alert_bridge.destinations.destination import Delivered, Rejected
from alert_bridge.errors import StillServed
from baleen_bus import Bucket, fetch_newest
from baleen_bus.buckets import DELIVERY
from baleen_bus.connection import end_task
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.dead_letter import DeadLetter
from baleen_runtime.clock import SystemClock

NO = Rejected(400, "no")


async def letters(one: Serving) -> list[DeadLetter]:
    """All dead letters, oldest first."""
    found = await fetch_newest(one.bus, names.LETTERS, "dead.v1.alert.>", 100)
    return [DeadLetter.model_validate_json(item.body) for item in found]


async def again(one: Serving, letter: DeadLetter) -> None:
    """Send a letter again."""
    await one.publisher.publish(replay_of(letter, datetime.now(UTC)))


async def until_recorded(one: Serving, seq: int, replays: int) -> State:
    """Wait until an alert has ended on one of its ways."""
    async with asyncio.timeout(10):
        while True:
            record = (await Ledger(one.bus).read(seq)).get("desk")
            if record is not None and record.replays == replays and record.final:
                return record.state
            await asyncio.sleep(0.01)


async def test_a_letter_is_sent_again_once_and_is_told_whatever_the_rules_say(nats_server: NatsServer):
    """Its first end stays counted; asking again sends nothing."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    taker.answers.append(NO)
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1), an_alert(2))
        await one.until_quiet(2)
        rules.change(type(rules.rules)(destinations=rules.rules.destinations))
        (letter,) = await letters(one)
        await again(one, letter)
        assert await until_recorded(one, 1, 1) is State.DELIVERED
        await again(one, letter)
        account = await one.until_quiet(2)

    assert taker.seqs == [2, 1]
    assert (account.delivered, account.dead, account.replayed) == (1, {"rejected": 1}, {"delivered": 1})


async def test_a_letter_that_dies_again_is_another_letter(nats_server: NatsServer):
    """With one replay more, which can be sent again in its turn."""
    taker = Taker()
    taker.answers.extend([NO, NO])
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        await again(one, (await letters(one))[0])
        assert await until_recorded(one, 1, 1) is State.DEAD
        first, second = await letters(one)
        assert (first.replays, second.replays, second.alert) == (0, 1, first.alert)
        await again(one, second)
        assert await until_recorded(one, 1, 2) is State.DELIVERED

    assert taker.asked == [(1,)] * 3


async def test_a_letter_that_was_on_its_way_when_its_sender_died_is_sent_by_its_successor(
    nats_server: NatsServer,
):
    """The bus gives it out again; it is known that it may have arrived."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    taker.answers.append(NO)
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        (letter,) = await letters(one)
        await one.kill()
        await again(one, letter)
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        assert await until_recorded(two, 1, 1) is State.DELIVERED


async def test_what_is_no_letter_is_put_aside(nats_server: NatsServer):
    """It keeps no other from being sent."""
    taker = Taker()
    taker.answers.append(NO)
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        await one.bus.request_json("ingress.dead.v1.redeliver.desk", {"no": "letter"})
        await again(one, (await letters(one))[0])
        assert await until_recorded(one, 1, 1) is State.DELIVERED


async def test_a_destination_is_forgotten_only_when_nobody_serves_it(nats_server: NatsServer):
    """Then what waits for it is given up, with its account; named again it begins anew."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        await eventually(lambda: one.couriers.posts["desk"].courier.shift() is not None)
        async with asyncio.timeout(5):
            while not (await one.of()).served_by:  # noqa: ASYNC110 - the bus is asked
                await asyncio.sleep(0.02)
        with pytest.raises(StillServed, match="take it out of the rules"):
            await forget(one.bus, SystemClock(), "desk")
        rules.change(rules_for())
        await eventually(lambda: not one.couriers.posts)
        await one.store(an_alert(2), an_alert(3))
        assert await forget(one.bus, SystemClock(), "desk") == 2
        assert await one.account.snapshot() == []
        assert await forget(one.bus, SystemClock(), "desk") is None
        rules.change(rules_for("desk"))
        await eventually(
            lambda: "desk" in one.couriers.posts and one.couriers.posts["desk"].enrolled.is_set()
        )
        await one.store(an_alert(4))
        account = await one.until_quiet(1)

    assert (taker.seqs, account.delivered) == ([1, 4], 1)


async def test_the_account_of_what_nobody_serves_is_kept_alive(nats_server: NatsServer):
    """The bucket lets go of what was written longest ago, and of everything in time."""

    class Later(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(hours=1)

    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        rules.change(rules_for())
        await eventually(lambda: not one.couriers.posts)
        bucket, key = Bucket(one.bus, DELIVERY), names.account_of("desk")
        before = await bucket.read(key)
        task = asyncio.create_task(refresh(one.bus, Later(), every=0.05))
        try:
            async with asyncio.timeout(5):
                while (after := await bucket.read(key)).revision == before.revision:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
        finally:
            await end_task(task)

    kept = kept_in(after.value)
    assert (kept.counts, kept.served_by) == (kept_in(before.value).counts, "")


async def test_the_bridges_user_may_do_all_that_deliveries_need_and_nothing_is_denied(
    nats_server_with_users: NatsServer,
):
    """With the permissions that ship: a delivery, a dead letter, one sent again, a stop, a takeover."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    taker.answers.extend([Delivered(), NO])
    server = nats_server_with_users
    access = server.credentials("alert-bridge")
    async with serving(server.url, {"desk": taker}, rules, access=access) as one:
        await one.store(an_alert(1), an_alert(2))
        await one.until_quiet(2)
        await again(one, (await letters(one))[0])
        assert await until_recorded(one, 2, 1) is State.DELIVERED
        await asyncio.wait_for(one.couriers.leave(), 10)
        assert one.bus.stats.denials == 0
    async with serving(server.url, {"desk": taker}, rules, replica="two", access=access) as two:
        await two.store(an_alert(3), an_alert(4, labels={"discord.deletes": "1", "discord.edits_seq": "1"}))
        account = await two.until_quiet(4)
        await resume(two.bus, "desk", "now")
        rules.change(rules_for())
        await eventually(lambda: not two.couriers.posts)
        assert await forget(two.bus, SystemClock(), "desk") == 0
        assert two.bus.stats.denials == 0

    assert (account.delivered, account.dead, taker.deletes) == (2, {"rejected": 1}, [])
