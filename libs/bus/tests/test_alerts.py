"""Alerts from trading code, said on a real server: stored or not, in time, and never an exception."""

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import baleen_bus
from baleen_bus import alerts, open_bus, saying
from baleen_bus.alerts import publish_alert, publish_alert_sync
from baleen_bus.bootstrap import bootstrap
from baleen_bus.one_call import default_speaker
from baleen_bus.testing import NatsServer, eventually
from baleen_contracts.alert import Alert

AT_ONCE = 0.005
"""What is promised while the bus is away, in seconds."""
EMBED = {
    "title": "SPY squeeze",
    "description": "score 81",
    "color": 0xFF9500,
    "fields": [{"name": "Price", "value": "$590.00", "inline": True}],
    "footer": {"text": "squeeze_checker"},
    "timestamp": "2026-01-05T15:30:00+00:00",
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(alerts, "_notes", alerts._Notes())
    yield
    baleen_bus.close_default()


@pytest.fixture
def server(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> NatsServer:
    """A server that the environment names."""
    monkeypatch.setenv("BALEEN_NATS_URL", nats_server.url)
    return nats_server


async def stored(server: NatsServer) -> list[Alert]:
    """What the stream has."""
    async with open_bus(url=server.url, name="reader", connect_within=5) as bus:
        found = await baleen_bus.fetch_newest(bus, "ALERT", "alert.v1.>", 1_000)
    return [Alert.model_validate_json(item.body) for item in found]


async def away(server: NatsServer) -> None:
    """Kill the server, and wait until this process has noticed."""
    server.kill()
    await eventually(lambda: default_speaker().bus is None)


def slowest(call: Callable[[], object], times: int = 200) -> float:
    """How long (seconds) nine of ten calls took at most; some may meet another process on their core."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return sorted(took)[int(0.9 * times)]


async def test_an_alert_with_the_seeds_arguments_is_stored_whole(server):
    """The embed verbatim, and what else was said in the fields of its name."""
    assert await publish_alert(EMBED, "look", "squeeze_signal", "squeeze_checker", "spy") is True

    (alert,) = await stored(server)
    assert alert.embed == EMBED
    assert (alert.content, alert.alert_type, alert.source) == ("look", "squeeze_signal", "squeeze_checker")
    assert (alert.symbol, alert.title) == ("spy", "SPY squeeze")
    assert alert.subject == "alert.v1.squeeze_signal.SPY"


async def test_the_other_arguments_may_be_left_out(server):
    """They are then what the seed's module has them be."""
    assert await publish_alert({"title": "hello"}) is True

    (alert,) = await stored(server)
    assert (alert.alert_type, alert.source) == ("general", "monitor")
    assert (alert.content, alert.symbol) == (None, None)


async def test_two_equal_alerts_are_two(server):
    """A bot that says the same twice means it twice."""
    assert [await publish_alert(EMBED), await publish_alert(EMBED)] == [True, True]

    assert len(await stored(server)) == 2


async def test_a_thread_may_say_it_and_so_may_many(server):
    """Each is answered for its own alert."""
    with ThreadPoolExecutor(8) as threads:
        said = [threads.submit(publish_alert_sync, {"title": f"t{n}"}, f"{n}") for n in range(80)]
        assert all(await asyncio.gather(*map(asyncio.wrap_future, said)))

    assert sorted(int(alert.content) for alert in await stored(server)) == list(range(80))


async def test_the_sync_form_works_inside_a_running_loop(server):
    """As a library's callback may call it; the connection has a thread of its own."""
    assert publish_alert_sync(EMBED) is True


def test_loops_that_come_and_go_may_say_it(server_kept):
    """The connection belongs to none of them."""
    assert [asyncio.run(publish_alert(EMBED)) for _ in range(3)] == [True] * 3


def test_a_loop_that_is_not_asyncios_is_answered_too(server_kept):
    """Driven by hand here, as any other loop would."""
    call = publish_alert(EMBED)
    with pytest.raises(StopIteration) as ended:
        call.send(None)

    assert ended.value.value is True


@pytest.fixture
def server_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    """The same for tests that have no loop."""
    with NatsServer() as server:
        asyncio.run(bootstrap(url=server.url))
        monkeypatch.setenv("BALEEN_NATS_URL", server.url)
        yield server


async def test_while_the_bus_is_away_the_answer_is_no_and_comes_at_once(server):
    """Nothing waits for a server that was stopped, and nothing is said when it is back."""
    assert await publish_alert(EMBED, "before") is True
    await away(server)

    assert publish_alert_sync(EMBED, "meanwhile") is False
    assert slowest(lambda: publish_alert_sync(EMBED, "meanwhile")) < AT_ONCE
    began = time.perf_counter()
    assert [await publish_alert(EMBED, "meanwhile") for _ in range(100)] == [False] * 100
    assert time.perf_counter() - began < 100 * AT_ONCE

    server.start()
    await eventually(lambda: default_speaker().bus is not None)
    assert await publish_alert(EMBED, "after") is True
    assert [alert.content for alert in await stored(server)] == ["before", "after"]


async def test_a_server_that_is_not_there_at_the_start_costs_one_failed_attempt(monkeypatch):
    """Not the second in which a first connection may be made."""
    monkeypatch.setenv("BALEEN_NATS_URL", "nats://127.0.0.1:9")
    monkeypatch.setenv("BALEEN_ALERTS_CONNECT_WITHIN", "30")
    began = time.perf_counter()
    assert publish_alert_sync(EMBED) is False
    assert time.perf_counter() - began < 5

    assert slowest(lambda: publish_alert_sync(EMBED)) < AT_ONCE


async def test_a_first_connection_that_hangs_is_waited_for_as_long_as_was_set(monkeypatch):
    """By all alerts together, not by each."""
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(60), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    monkeypatch.setenv("BALEEN_NATS_URL", f"nats://127.0.0.1:{port}")
    monkeypatch.setenv("BALEEN_ALERTS_CONNECT_WITHIN", "0.3")

    began = time.perf_counter()
    assert await publish_alert(EMBED) is False
    first = time.perf_counter() - began
    assert 0.25 < first < 2
    assert slowest(lambda: publish_alert_sync(EMBED)) < AT_ONCE
    baleen_bus.close_default()
    silent.close()


async def test_a_bus_that_is_silent_costs_one_wait(server, monkeypatch):
    """A server that stands still looks connected for seconds: it is waited for once, then taken for away."""
    monkeypatch.setattr(saying, "WITHIN", 0.5)
    assert await publish_alert(EMBED, "first") is True
    server.freeze()
    try:
        began = time.perf_counter()
        assert publish_alert_sync(EMBED, "into the void") is False
        assert 0.4 < time.perf_counter() - began < 2
        assert slowest(lambda: publish_alert_sync(EMBED, "and so on"), times=10) < AT_ONCE
    finally:
        server.thaw()

    await eventually(lambda: default_speaker().answers)
    assert await publish_alert(EMBED, "last") is True


async def test_a_caller_that_waits_while_the_connection_is_closed_is_told_no(server, monkeypatch):
    """And is neither left waiting nor taken for cancelled."""
    monkeypatch.setattr(saying, "WITHIN", 20.0)
    assert await publish_alert(EMBED) is True
    server.freeze()
    waiting = asyncio.create_task(publish_alert(EMBED))
    thread = asyncio.create_task(asyncio.to_thread(publish_alert_sync, EMBED))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(baleen_bus.close_default, 0.1)
    server.thaw()

    async with asyncio.timeout(10):
        assert [await waiting, await thread] == [False, False]


async def test_saying_it_again_after_a_no_does_not_double_it(server, monkeypatch):
    """The first attempt was on its way, and is stored after all: the second takes over its id."""
    monkeypatch.setattr(saying, "WITHIN", 0.3)
    assert await publish_alert(EMBED, "first") is True
    server.freeze()
    assert await publish_alert(EMBED, "twice?", "rally", "bot", "SPY") is False
    server.thaw()
    await eventually(lambda: default_speaker().answers)

    monkeypatch.setattr(saying, "WITHIN", 5.0)
    assert await publish_alert(EMBED, "twice?", "rally", "bot", "SPY") is True
    assert await publish_alert(EMBED, "last") is True
    assert [alert.content for alert in await stored(server)] == ["first", "twice?", "last"]


async def test_a_caller_that_is_cancelled_may_say_it_again(server):
    """Its attempt is in doubt as any other; the cancellation goes through."""
    assert await publish_alert(EMBED, "first") is True
    server.freeze()
    waiting = asyncio.create_task(publish_alert(EMBED, "twice?"))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    server.thaw()

    assert await publish_alert(EMBED, "twice?") is True
    assert [alert.content for alert in await stored(server)] == ["first", "twice?"]


async def test_a_restart_in_between_ends_the_waiting(server, monkeypatch):
    """The question dies with its connection, long before its time is up."""
    monkeypatch.setattr(saying, "WITHIN", 20.0)
    assert await publish_alert(EMBED) is True
    server.freeze()
    waiting = asyncio.create_task(publish_alert(EMBED, "lost"))
    await asyncio.sleep(0.1)
    server.kill()

    async with asyncio.timeout(10):
        assert await waiting is False
    server.start()
    await eventually(lambda: default_speaker().answers)
    assert await publish_alert(EMBED, "after") is True
    assert [alert.content for alert in await stored(server)] == [None, "after"]


async def test_a_stream_that_is_not_ready_is_asked_again_while_there_is_time(server, monkeypatch):
    """As in the moment after a server's start; the alert is stored once, or the answer is no."""
    assert await publish_alert(EMBED, "first") is True
    async with open_bus(url=server.url, name="test", connect_within=5) as bus:
        await bus.request_json("$JS.API.STREAM.DELETE.ALERT")
    monkeypatch.setattr(saying, "WITHIN", 0.3)
    assert await publish_alert(EMBED, "no stream") is False
    await eventually(lambda: default_speaker().answers)

    monkeypatch.setattr(saying, "WITHIN", 20.0)
    waiting = asyncio.create_task(publish_alert(EMBED, "second"))
    await asyncio.sleep(0.1)
    await bootstrap(url=server.url)
    assert await waiting is True
    assert [alert.content for alert in await stored(server)] == ["second"]


NOT_ALERTS = {
    "nothing": (None,),
    "an empty dict": ({},),
    "an empty list": ([],),
    "a number": (7,),
    "a class": (dict,),
    "blank content": (None, "  "),
    "content too long": ({"title": "t"}, "x" * 20_001),
    "an alert type too long": ({"title": "t"}, None, "x" * 65),
    "a symbol too long": ({"title": "t"}, None, "rally", "bot", "x" * 65),
    "too many embeds": ([{"title": "t"}] * 22,),
    "more than the bus takes": ({"title": "t", "fields": [{"value": "x" * 1_000_000}] * 2},),
    "far too many values": ({"n": list(range(30_000))},),
}


@pytest.mark.parametrize("said", NOT_ALERTS.values(), ids=NOT_ALERTS.keys())
async def test_what_is_no_alert_is_answered_no_and_not_stored(server, said):
    """And those after it are none the worse."""
    assert await publish_alert(*said) is False
    assert publish_alert_sync(*said) is False
    assert publish_alert_sync({"title": "fine"}) is True

    assert [alert.title for alert in await stored(server)] == ["fine"]


class Mean:
    """Answers whatever is asked of it with an exception."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no")


async def test_the_meanest_arguments_raise_nothing(server):
    """Wherever they stand."""
    for place in range(5):
        said: list[object] = [{"title": "t"}, "c", "rally", "bot", "SPY"]
        said[place] = Mean()
        assert publish_alert_sync(*said) in (True, False)
    assert publish_alert_sync({"title": "t", "fields": [Mean(), {Mean(): Mean()}]}) is True


async def test_one_without_the_right_to_say_alerts_is_told_no(nats_server_with_users, monkeypatch):
    """At once, and without an exception."""
    server = nats_server_with_users
    monkeypatch.setenv("BALEEN_NATS_URL", server.url)
    monkeypatch.setenv("BALEEN_NATS_USER", "engine")
    monkeypatch.setenv("BALEEN_NATS_PASSWORD", server.passwords["engine"])

    assert await publish_alert(EMBED) is False


async def test_the_publisher_user_may_say_alerts(nats_server_with_users, monkeypatch):
    """It is made for that."""
    server = nats_server_with_users
    monkeypatch.setenv("BALEEN_NATS_URL", server.url)
    monkeypatch.setenv("BALEEN_NATS_USER", "publisher")
    monkeypatch.setenv("BALEEN_NATS_PASSWORD", server.passwords["publisher"])

    assert await publish_alert(EMBED) is True


async def test_a_wrong_password_is_a_no_and_may_be_corrected(nats_server_with_users, monkeypatch, caplog):
    """It is tried again a while later, and is in no log."""
    server = nats_server_with_users
    monkeypatch.setattr(alerts, "AGAIN_AFTER", 0.5)
    monkeypatch.setenv("BALEEN_NATS_URL", f"nats://publisher:hush-hush@127.0.0.1:{server.port}")
    assert await publish_alert(EMBED) is False
    assert slowest(lambda: publish_alert_sync(EMBED), times=20) < AT_ONCE
    assert "refused user 'publisher'" in caplog.text
    assert "hush" not in caplog.text

    monkeypatch.setenv("BALEEN_NATS_URL", server.url_for("publisher"))
    await eventually(lambda: publish_alert_sync(EMBED))


@pytest.mark.parametrize(
    "address", ["nonsense", "nats://", "nats://u:hush@x:99999", "http://x:1", "nats://[::"]
)
def test_an_address_that_is_none_is_a_no(monkeypatch, caplog, address):
    """Whatever the client library makes of it."""
    monkeypatch.setenv("BALEEN_NATS_URL", address)
    monkeypatch.setenv("BALEEN_ALERTS_CONNECT_WITHIN", "0.1")

    assert publish_alert_sync(EMBED) is False
    assert "hush" not in caplog.text


async def test_the_log_hears_of_it_once_a_minute(server, caplog):
    """How many alerts that cost, nothing that was said in them, and no address."""
    assert await publish_alert(EMBED) is True
    await away(server)
    with caplog.at_level(logging.WARNING, "baleen_bus"):
        for _ in range(50):
            publish_alert_sync(EMBED, "secret plans")

    lines = [
        record.getMessage() for record in caplog.records if "alerts are not stored" in record.getMessage()
    ]
    assert lines == [
        f"alerts are not stored, 1 since this was last told: not connected to the bus at {server.url}"
    ]
    assert "secret" not in caplog.text


async def test_a_handler_of_the_log_may_itself_say_alerts(server, caplog):
    """On the bus's own thread too, where waiting for an answer would wait for ever."""

    class Alarming(logging.Handler):
        said: dict[str, tuple[bool, float]]

        def emit(self, record: logging.LogRecord) -> None:
            began = time.perf_counter()
            stored = publish_alert_sync({"title": record.getMessage()})
            self.said[record.getMessage()] = (stored, time.perf_counter() - began)

    handler = Alarming()
    handler.said = {}
    caplog.set_level(logging.INFO, "baleen_bus")
    log = logging.getLogger("baleen_bus")
    log.addHandler(handler)
    try:
        assert await publish_alert(EMBED) is True
        server.restart()
        await eventually(lambda: "bus reconnected" in handler.said)
    finally:
        log.removeHandler(handler)

    stored, took = handler.said["bus reconnected"]
    assert stored is False
    assert took < 1


def in_a_process(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(code)],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_forked_child_speaks_for_itself(server):
    """Over a connection of its own, and its parent's goes on."""
    ended = await asyncio.to_thread(
        in_a_process,
        """
        import os
        from baleen_bus.alerts import publish_alert_sync as say
        assert say({"title": "parent, before"})
        child = os.fork()
        if not child:
            os._exit(0 if say({"title": "child"}) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert say({"title": "parent, after"})
        """,
        BALEEN_NATS_URL=server.url,
    )

    assert ended.returncode == 0, ended.stderr
    assert [alert.title for alert in await stored(server)] == ["parent, before", "child", "parent, after"]


async def test_an_alert_on_the_way_out_is_stored_and_the_program_ends(server):
    """At exit too, before and after the bus has taken its leave; and nothing complains."""
    ended = await asyncio.to_thread(
        in_a_process,
        """
        import atexit
        def late(): print("late", say({"title": "late"}))
        atexit.register(late)
        from baleen_bus.alerts import publish_alert_sync as say
        atexit.register(lambda: print("early", say({"title": "early"})))
        print("said", say({"title": "said"}))
        """,
        BALEEN_NATS_URL=server.url,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[:4] == ["said", "True", "early", "True"]
    assert "Traceback" not in ended.stderr
    titles = [alert.title for alert in await stored(server)]
    assert titles[:2] == ["said", "early"]
    assert ("late" in titles) == ("late True" in ended.stdout)


async def test_a_program_ends_quickly_without_a_bus(monkeypatch):
    """Nothing waits at exit that was not promised."""
    began = time.monotonic()
    ended = await asyncio.to_thread(
        in_a_process,
        'from baleen_bus.alerts import publish_alert_sync as say; print(say({"title": "t"}))',
        BALEEN_NATS_URL="nats://127.0.0.1:9",
    )

    assert (ended.returncode, ended.stdout) == (0, "False\n"), ended.stderr
    assert time.monotonic() - began < 15
    assert "Traceback" not in ended.stderr
