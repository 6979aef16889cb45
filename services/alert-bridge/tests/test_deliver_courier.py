"""What a courier promises, over a real bus: each alert ends once, in order, through cuts and kills."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import orjson
import pytest

from alert_bridge.deliver import names
from alert_bridge.deliver.couriers import resume
from alert_bridge.deliver.ends import State
from alert_bridge.deliver.ledger import Ledger
from alert_bridge.deliver.testing import GivenRules, Taker, an_alert, rules_for, serving, spec
from alert_bridge.destinations.destination import Later, Rejected, Stopped
from alert_bridge.reasons import Wait
from alert_bridge.rules.model import Group, Once
from baleen_bus import Bucket, fetch_newest
from baleen_bus.buckets import LEASES
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.dead_letter import DeadLetter

BUSY = Later(Wait.RATE_LIMITED, after=0.01, status=429, failed=False)
DOWN = Later(Wait.SERVER_ERROR, status=503)
SILENT = Later(Wait.NO_ANSWER)


def alerts(count: int, first: int = 1, **told):
    """So many alerts."""
    return [an_alert(number, **told) for number in range(first, first + count)]


async def letters(bus) -> list[DeadLetter]:
    """All dead letters, oldest first."""
    found = await fetch_newest(bus, names.LETTERS, "dead.v1.alert.>", 100)
    return [DeadLetter.model_validate_json(item.body) for item in found]


async def test_every_alert_is_delivered_once_in_order(nats_server: NatsServer):
    """And is written down before it is acknowledged."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        seqs = await one.store(*alerts(30))
        account = await one.until_quiet(30)

        assert taker.seqs == seqs
        assert taker.most_ahead == 1
        assert (account.delivered, account.possible_duplicates, account.state) == (30, 0, "running")
        record = (await Ledger(one.bus).read(7))["desk"]
        assert (record.state, record.remote_id, record.attempts, record.route, record.alone) == (
            State.DELIVERED,
            "m7",
            1,
            "all",
            True,
        )


async def test_a_destination_is_told_from_when_it_was_first_named(nats_server: NatsServer):
    """What was stored before concerns nobody; what is stored before somebody serves it waits."""
    taker, rules = Taker(), GivenRules(rules_for())
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(3))
        rules.change(rules_for("desk"))
        await eventually(
            lambda: "desk" in one.couriers.posts and one.couriers.posts["desk"].enrolled.is_set()
        )
        await one.store(*alerts(2, first=4))
        account = await one.until_quiet(2)

    assert (taker.seqs, account.delivered) == ([4, 5], 2)


async def test_what_no_route_leads_to_is_counted_and_not_written_down(nats_server: NatsServer):
    """What a dedupe keeps away is both."""
    taker = Taker()
    rules = rules_for("desk", route={"dedupe": Once(("content",), 60.0)})
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules)) as one:
        await one.store(an_alert(1, content="same"), an_alert(2, content="same"), an_alert(3))
        account = await one.until_quiet(3)
        assert (account.delivered, account.suppressed) == (2, {"duplicate": 1})
        assert (await Ledger(one.bus).read(2))["desk"].reason == "duplicate"

    other = GivenRules(rules_for("desk"))
    other.rules = rules_for("desk", "other")
    other.rules = type(other.rules)(destinations=other.rules.destinations, routes=rules_for("other").routes)
    async with serving(nats_server.url, {"desk": taker, "other": Taker("other")}, other) as one:
        await one.store(an_alert(4))
        account = await one.until_quiet(4)
        assert account.suppressed == {"duplicate": 1, "not_routed": 1}
        await one.until_quiet(1, "other")
        assert set(await Ledger(one.bus).read(4)) == {"other"}


async def test_limits_and_failures_are_waited_out_in_place(nats_server: NatsServer):
    """Nothing overtakes."""
    taker = Taker()
    taker.answers.extend([BUSY, DOWN, DOWN, BUSY])
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(*alerts(5))
        account = await one.until_quiet(5)

        assert taker.asked == [(1,)] * 4 + [(n,) for n in range(1, 6)]
        assert (account.delivered, account.possible_duplicates) == (5, 0)
        assert (await Ledger(one.bus).read(1))["desk"].attempts == 5


async def test_a_refused_alert_is_a_dead_letter_and_the_next_one_goes(nats_server: NatsServer):
    """The letter is there when the alert counts as dead, and holds it whole."""
    taker = Taker()
    taker.answers.append(Rejected(400, "embeds: too long"))
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(*alerts(2))
        account = await one.until_quiet(2)
        (letter,) = await letters(one.bus)

    assert (account.delivered, account.dead) == (1, {"rejected": 1})
    assert (letter.destination, letter.reason, letter.status, letter.attempts, letter.seq) == (
        "desk",
        "rejected",
        400,
        1,
        1,
    )
    assert letter.alert["content"] == "n1"


async def test_what_the_stream_has_that_is_no_alert_is_a_dead_letter(nats_server: NatsServer):
    """Somebody wrote past the contract; nobody can be told of it."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.bus.request_json("ingress.alert.v1.x._", {"no": "alert"})
        await one.store(an_alert(2))
        account = await one.until_quiet(2)
        (letter,) = await letters(one.bus)

    assert (account.delivered, account.dead) == (1, {"unreadable": 1})
    assert "no" in letter.alert["unreadable"]


async def test_an_alert_that_a_destination_did_not_take_in_time_is_given_up(nats_server: NatsServer):
    """By its age in the stream, whatever was tried."""
    taker = Taker()
    taker.answers.extend([DOWN] * 1000)
    rules = GivenRules(rules_for("desk", give_up_after=0.5))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1))
        account = await one.until_quiet(1)

    assert account.dead == {"too_old": 1}


async def test_a_restart_of_the_bus_loses_and_repeats_nothing(nats_server: NatsServer):
    """While a message is on its way, too."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(*alerts(20))
        await eventually(lambda: len(taker.seqs) >= 5)
        taker.open.clear()
        await asyncio.to_thread(nats_server.restart)
        taker.open.set()
        await asyncio.wait_for(one.store(*alerts(20, first=21)), 15)
        account = await one.until_quiet(40, within=30)

    assert taker.seqs == list(range(1, 41))
    assert (account.delivered, account.possible_duplicates) == (40, 0)


@pytest.mark.slow
async def test_a_message_on_its_way_outlives_the_bus(nats_server: NatsServer):
    """Nothing that needs the bus cuts it off while the lease lasts, so that nobody need doubt it."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        taker.open.clear()
        await one.store(*alerts(3))
        await eventually(lambda: taker.ahead == 1)
        await asyncio.to_thread(nats_server.kill)
        await asyncio.sleep(3)  # longer than any look at the bus is put off
        assert taker.ahead == 1
        taker.open.set()
        await asyncio.to_thread(nats_server.start)
        account = await one.until_quiet(3, within=30)

    assert taker.asked == [(1,), (2,), (3,)]
    assert (account.delivered, account.possible_duplicates) == (3, 0)


async def test_a_sender_killed_between_the_request_and_its_record_counts_what_it_left_open(
    nats_server: NatsServer,
):
    """Its successor cannot know whether the message arrived: it is sent again, and that is counted."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(3))
        await one.until_quiet(3)
        taker.open.clear()
        await one.store(*alerts(4, first=4))
        await eventually(lambda: taker.ahead == 1)
        await one.kill()
    taker.open.set()
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(7)

    assert taker.asked == [(n,) for n in (1, 2, 3, 4, 4, 5, 6, 7)]
    assert (account.delivered, account.possible_duplicates) == (7, 1)


async def test_what_may_have_been_told_is_not_told_again_where_once_is_the_most(nats_server: NatsServer):
    """It is a dead letter: somebody can look, and send it again by hand."""
    taker, rules = Taker(), GivenRules(rules_for("desk", at_most_once=True))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        taker.open.clear()
        await one.store(*alerts(2))
        await eventually(lambda: taker.ahead == 1)
        await one.kill()
    taker.open.set()
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(2)
        (letter,) = await letters(two.bus)

    assert taker.asked == [(1,), (2,)]
    assert (account.delivered, account.dead, account.possible_duplicates) == (1, {"unknown": 1}, 0)
    assert letter.seq == 1


async def test_what_was_surely_not_taken_is_no_doubt_for_a_successor(nats_server: NatsServer):
    """A destination that asked for a while has not got the message."""
    taker = Taker()
    rules = GivenRules(rules_for("desk", at_most_once=True))
    taker.answers.extend([Later(Wait.RATE_LIMITED, after=60.0, failed=False)])
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(an_alert(1))
        ledger = Ledger(one.bus)
        async with asyncio.timeout(10):
            while (await ledger.read(1)).get("desk", None) is None or (await ledger.read(1))[  # noqa: ASYNC110
                "desk"
            ].state is not State.WAITING:
                await asyncio.sleep(0.01)
        await one.kill()
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(1)

    assert (account.delivered, account.dead, account.possible_duplicates) == (1, {}, 0)


async def test_a_takeover_goes_on_where_the_dead_one_stood(nats_server: NatsServer):
    """At once and in order, though the bus keeps for a minute what the dead one had drawn."""
    taker, rules = Taker(), GivenRules(rules_for("desk", route={"dedupe": Once(("content",), 3600.0)}))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        taker.open.clear()
        await one.store(*alerts(50))
        await one.store(an_alert(51, content="n2"), an_alert(52, content="n50"))
        await eventually(lambda: one.couriers.posts["desk"].courier.shift().counts.through == 52)
        await one.kill()
    taker.open.set()
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        await two.store(*alerts(10, first=53))
        await two.store(an_alert(63, content="n7"))
        account = await two.until_quiet(63, within=10)

    assert taker.seqs == [*range(1, 51), *range(53, 63)]
    assert (account.delivered, account.suppressed) == (60, {"duplicate": 3})


async def test_the_account_is_exact_after_kills_at_any_moment(nats_server: NatsServer):
    """Each of a dozen lives ends somewhere; the sum is always what was accepted."""
    taker, rules = Taker(most=3), GivenRules(rules_for("desk", route={"cooldown": Once(("symbol",), 3600.0)}))
    stored = 0
    for life in range(12):
        async with serving(nats_server.url, {"desk": taker}, rules, replica=f"life{life}") as one:
            await one.store(*alerts(25, first=stored + 1), an_alert(9000 + life, symbol="SPY"))
            stored += 26
            target = min(len(taker.seqs) + 2 * life, stored - 12)
            await eventually(lambda target=target: len(taker.seqs) >= target)
            await one.kill()
    async with serving(nats_server.url, {"desk": taker}, rules, replica="last") as one:
        account = await one.until_quiet(stored)

    told = set(taker.seqs)
    assert len(told) == account.delivered == stored - 11
    assert account.suppressed == {"cooldown": 11}
    assert len(taker.seqs) - len(told) <= account.possible_duplicates <= 3 * 12


async def test_two_replicas_share_the_destinations_and_never_send_at_once(nats_server: NatsServer):
    """Each is served by one; when one replica leaves, the other goes on at once."""
    takers = {name: Taker(name) for name in ("a", "b", "c", "d")}
    rules = GivenRules(rules_for(*takers))
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(nats_server.url, takers, rules))
        two = await stack.enter_async_context(
            serving(nats_server.url, takers, rules, replica="two", beside=True)
        )
        await one.store(*alerts(20))
        for name in takers:
            await one.until_quiet(20, name)
        served = {
            name: [serves for serves in (one, two) if serves.couriers.posts[name].holds] for name in takers
        }
        assert all(len(by) == 1 for by in served.values())
        await one.couriers.leave()
        await one.kill()
        await two.store(*alerts(20, first=21))
        for name in takers:
            account = await two.until_quiet(40, name)
            assert (account.delivered, account.possible_duplicates, account.here) == (40, 0, True)
    assert all(taker.seqs == list(range(1, 41)) and taker.most_ahead == 1 for taker in takers.values())


async def test_a_lost_lease_ends_the_sending_at_once(nats_server: NatsServer):
    """Somebody else writes it; nothing more is sent from here, and the message on its way is cut off."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        taker.open.clear()
        await one.store(*alerts(5, first=2))
        await eventually(lambda: taker.ahead == 1)
        await Bucket(one.bus, LEASES).put(names.lease_of("desk"), b'{"owner":"x","since":"now"}')
        await eventually(lambda: taker.ahead == 0 and not one.couriers.posts["desk"].holds)
        taker.open.set()
        assert taker.seqs == [1]


async def test_a_stopped_destination_is_left_alone_until_it_is_resumed(nats_server: NatsServer):
    """It is said once; nobody is asked again, not even after a takeover; then all go, in order."""
    takers = {"desk": Taker(), "ops": Taker("ops")}
    rules = GivenRules(rules_for("desk", "ops"))
    takers["desk"].answers.append(Stopped(404, "Unknown Webhook"))
    async with serving(nats_server.url, takers, rules) as one:
        await one.store(*alerts(3))
        await eventually(lambda: len(one.said) == 1)
        assert one.said[0].alert_type == "destination_stopped"
        account = await one.until_quiet(4, "ops")
        assert account.delivered == 4
        async with asyncio.timeout(10):
            while (await one.of()).state != "stopped":  # noqa: ASYNC110 - the bus is asked
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.2)  # until it is kept
        await one.kill()
    async with serving(nats_server.url, takers, rules, replica="two") as two:
        await two.store(*alerts(2, first=4))
        await two.until_quiet(6, "ops")
        assert (takers["desk"].asked, (await two.of()).in_flight) == ([(1,)], 5)
        await resume(two.bus, "desk", "now")
        account = await two.until_quiet(6)
        assert not two.said

    assert takers["desk"].seqs == [1, 2, 3, 5, 6]
    assert (account.delivered, account.suppressed) == (5, {"not_routed": 1})


async def test_new_rules_for_a_destination_begin_where_the_old_ones_stood(nats_server: NatsServer):
    """A stopped one is tried again, since its spec has changed."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    taker.answers.append(Stopped(401, "no"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(3))
        await eventually(lambda: one.said)
        rules.change(
            type(rules.rules)(destinations={"desk": spec("json://elsewhere")}, routes=rules.rules.routes)
        )
        account = await one.until_quiet(4)

    assert taker.seqs == [1, 2, 3]
    assert account.delivered == 3


async def test_a_destination_that_the_rules_no_longer_name_keeps_what_waits_for_it(nats_server: NatsServer):
    """Nothing is sent, nothing is lost, and the account shows it."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(2))
        await one.until_quiet(2)
        rules.change(rules_for())
        await eventually(lambda: not one.couriers.posts)
        await one.store(*alerts(3, first=3))
        account = await one.of()
        assert (account.state, account.in_flight, account.unaccounted) == ("removed", 3, 0)
        rules.change(rules_for("desk"))
        account = await one.until_quiet(5)

    assert (taker.seqs, account.delivered) == ([1, 2, 3, 4, 5], 5)


async def test_a_new_destination_does_not_wait_for_one_that_hangs_and_goes(nats_server: NatsServer):
    """Alerts wait for it as soon as it is named, while the other may still finish its message."""
    takers, rules = {"desk": Taker(), "ops": Taker("ops")}, GivenRules(rules_for("desk"))
    takers["desk"].open.clear()
    async with serving(nats_server.url, takers, rules) as one:
        await one.store(an_alert(1))
        await eventually(lambda: takers["desk"].ahead == 1)
        rules.change(rules_for("ops"))
        await eventually(lambda: "ops" in one.couriers.posts, within=3)
        async with asyncio.timeout(3):
            await one.couriers.posts["ops"].enrolled.wait()
        assert takers["desk"].ahead == 1
        takers["desk"].open.set()
        await eventually(lambda: "desk" not in one.couriers.posts)
        await one.store(an_alert(2))
        await eventually(lambda: takers["ops"].seqs == [2])


async def test_what_the_stream_let_go_of_is_named(nats_server: NatsServer):
    """A destination that was away for too long misses alerts, never in silence."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(2))
        await one.until_quiet(2)
        await one.kill()
        await one.store(*alerts(8, first=3))
        await one.bus.request_json("$JS.API.STREAM.PURGE.ALERT", {"seq": 8})
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(10)
        (letter,) = await letters(two.bus)

    assert taker.seqs == [1, 2, 8, 9, 10]
    assert (account.delivered, account.dead) == (5, {"expired": 5})
    assert letter.alert == {"first_seq": 3, "last_seq": 7, "count": 5}


async def test_a_stream_that_was_made_anew_is_told_from_its_beginning(nats_server: NatsServer):
    """The records of the old numbers are no excuse."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(*alerts(3))
        await one.until_quiet(3)
        config = (await one.bus.request_json("$JS.API.STREAM.INFO.ALERT"))["config"]
        await one.bus.request_json("$JS.API.STREAM.DELETE.ALERT")
        await one.bus.request_json("$JS.API.STREAM.CREATE.ALERT", config)
        await one.store(*alerts(2, first=10))
        account = await one.until_quiet(2, within=20)

    assert (taker.seqs, account.delivered) == ([1, 2, 3, 1, 2], 2)


async def test_a_consumer_that_somebody_deleted_is_made_again_where_it_stood(nats_server: NatsServer):
    """Nothing is skipped, nothing repeated."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(*alerts(5))
        await one.until_quiet(5)
        await one.bus.request_json("$JS.API.CONSUMER.DELETE.ALERT.deliver-desk")
        await one.store(*alerts(5, first=6))
        account = await one.until_quiet(10, within=20)

    assert (taker.seqs, account.delivered) == (list(range(1, 11)), 10)


@pytest.mark.parametrize("gone", [False, True])
async def test_an_edit_changes_the_message_and_a_delete_takes_it_back(nats_server: NatsServer, gone: bool):
    """Where the message is gone, an edit is told as news and there is nothing to delete."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(an_alert(1))
        await one.until_quiet(1)
        if gone:
            taker.answers.append(Rejected(404, "Unknown Message"))
        edits = {"discord.edits": "17", "discord.edits_seq": "1"}
        await one.store(an_alert(2, labels=edits))
        await one.until_quiet(2)
        if gone:
            taker.answers.append(Rejected(404, "Unknown Message"))
        await one.store(an_alert(3, labels={"discord.deletes": "17", "discord.edits_seq": "1"}))
        account = await one.until_quiet(3)

    assert [remote_id for remote_id, _ in taker.edits] == ["m1"]
    assert taker.deletes == ["m1"]
    assert taker.seqs == ([1, 2] if gone else [1])
    assert account.suppressed == ({"nothing_to_change": 1} if gone else {})


async def test_an_edit_of_what_was_never_told_is_news_and_a_delete_is_nothing(nats_server: NatsServer):
    """No request is made for it."""
    taker = Taker()
    async with serving(nats_server.url, {"desk": taker}, GivenRules(rules_for("desk"))) as one:
        await one.store(an_alert(1, labels={"discord.edits": "17"}))
        await one.store(an_alert(2, labels={"discord.deletes": "17", "discord.edits_seq": "99"}))
        account = await one.until_quiet(2)

    assert (taker.seqs, taker.edits, taker.deletes) == ([1], [], [])
    assert (account.delivered, account.suppressed) == (1, {"nothing_to_change": 1})


async def test_what_its_sender_deletes_while_it_is_held_is_never_told(nats_server: NatsServer):
    """Though a delete waits for no group."""
    taker = Taker()
    rules = GivenRules(rules_for("desk", route={"group": Group(("source",), 1.0, 50)}))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(3))
        await one.store(an_alert(4, labels={"discord.deletes": "17", "discord.edits_seq": "2"}))
        account = await one.until_quiet(4)

    assert (taker.digests, taker.taken, taker.deletes) == ([(1, 3)], [], [])
    assert account.suppressed == {"withdrawn": 1, "nothing_to_change": 1}


async def test_a_group_is_told_in_one_digest(nats_server: NatsServer):
    """While it gathers, its alerts are in flight."""
    taker = Taker()
    rules = GivenRules(rules_for("desk", route={"group": Group(("source",), 1.0, 50)}))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(5))
        assert (await one.of()).in_flight == 5
        account = await one.until_quiet(5)
        assert (await Ledger(one.bus).read(3))["desk"].digest

    assert (taker.digests, account.delivered) == ([(1, 2, 3, 4, 5)], 5)


async def test_an_account_that_is_gone_begins_anew_at_what_is_not_acknowledged(nats_server: NatsServer):
    """Alerts are delivered all the same."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        await one.store(*alerts(5))
        await one.until_quiet(5)
        await one.kill()
        await one.bus.request_json("$JS.API.STREAM.PURGE.KV_delivery")
        await one.store(*alerts(3, first=6))
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(3)

    assert (taker.seqs, account.delivered) == (list(range(1, 9)), 3)


async def test_a_leave_finishes_the_message_that_is_on_its_way(nats_server: NatsServer):
    """And no other; its end is written down, so that nobody sends it again."""
    taker, rules = Taker(), GivenRules(rules_for("desk"))
    async with serving(nats_server.url, {"desk": taker}, rules) as one:
        taker.open.clear()
        await one.store(*alerts(4))
        await eventually(lambda: taker.ahead == 1)
        courier = one.couriers.posts["desk"].courier
        leaving = asyncio.create_task(one.couriers.leave())
        await eventually(lambda: courier.leaving)
        taker.open.set()
        await asyncio.wait_for(leaving, 10)
        assert taker.seqs == [1]
        stored = await one.bus.js.get_last_msg("KV_delivery", "$KV.delivery.1.desk")
        assert orjson.loads(stored.data or b"")["state"] == "delivered"
    async with serving(nats_server.url, {"desk": taker}, rules, replica="two") as two:
        account = await two.until_quiet(4)

    assert (taker.seqs, account.possible_duplicates) == ([1, 2, 3, 4], 0)
