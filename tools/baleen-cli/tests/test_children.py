"""Processes that live and die together, tried on small real ones."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from baleen.children import SERVER_WITHIN, SERVICES_WITHIN, Children
from baleen.errors import CannotRun, ChildEnded
from baleen.plan import Child
from baleen.ports import free_ports

SAYS_GOODBYE = """
import signal, sys, time
def leave(*_):
    print("goodbye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("hello", flush=True)
time.sleep(60)
"""
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("hello", flush=True)
time.sleep(60)
"""
SLOWLY_READY = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Answer.asked += 1
        ready = Answer.asked > 2
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b'{"parts": {"bus": "no server answers", "loop": "ok"}}')
http.server.HTTPServer(("127.0.0.1", %d), Answer).serve_forever()
"""


def child(name: str, code: str, ready_url: str = "") -> Child:
    """Return a child that runs *code*."""
    return Child(name, ("python", "-c", code), dict(os.environ), ready_url)


class Lines:
    """The output of all children, to wait for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def take(self, name: str, text: str) -> None:
        """Take one line."""
        self.seen.append((name, text))
        self._more.set()

    async def until(self, name: str, text: str) -> None:
        """Wait until *name* has said *text*."""
        async with asyncio.timeout(10):
            while (name, text) not in self.seen:
                self._more.clear()
                await self._more.wait()


async def test_a_child_that_ends_is_reported_with_name_and_code():
    """One process that ends by itself ends the whole: the message names it and its exit code."""
    children = Children(Lines().take)
    await children.start(child("uw-ingest", "raise SystemExit(3)"))
    try:
        with pytest.raises(ChildEnded, match="uw-ingest ended with exit code 3"):
            await children.alive_for(10)
    finally:
        await children.stop()


async def test_a_wrong_setting_is_told_apart_from_a_crash():
    """Exit code 78 means a setting; the person is sent to the line that names it."""
    children = Children(Lines().take)
    await children.start(child("ws-gateway", "raise SystemExit(78)"))
    try:
        with pytest.raises(ChildEnded, match="a setting is wrong"):
            await children.alive_for(10)
    finally:
        await children.stop()


async def test_services_leave_before_the_bus():
    """What a service still holds while it drains finds the bus there."""
    lines = Lines()
    children = Children(lines.take)
    for name in ("nats-server", "one", "two"):
        await children.start(child(name, SAYS_GOODBYE))
        await lines.until(name, "hello")

    assert await children.stop() == []

    goodbyes = [name for name, text in lines.seen if text == "goodbye"]
    assert sorted(goodbyes[:2]) == ["one", "two"]
    assert goodbyes[2] == "nats-server"


async def test_a_stubborn_child_is_killed_within_the_deadline():
    """Leaving takes at most five seconds, whatever a child does; who had to be killed is told."""
    lines = Lines()
    children = Children(lines.take)
    await children.start(child("nats-server", SAYS_GOODBYE))
    await children.start(child("uw-ingest", IGNORES_SIGTERM))
    await lines.until("uw-ingest", "hello")

    started = time.monotonic()
    assert await children.stop() == ["uw-ingest"]
    assert time.monotonic() - started < SERVICES_WITHIN + SERVER_WITHIN


async def test_waiting_tells_what_is_lacking():
    """While a service is not ready its own reason is shown, once."""
    port = free_ports().gateway
    told: list[tuple[str, str]] = []
    children = Children(Lines().take)
    slow = child("ws-gateway", SLOWLY_READY % port, f"http://127.0.0.1:{port}/readyz")
    await children.start(slow)
    try:
        await children.until_ready(slow, within=10, on_wait=lambda *words: told.append(words))
    finally:
        await children.stop()
    assert told == [("ws-gateway", "bus: no server answers")]


async def test_a_service_that_never_gets_ready_is_given_up_with_its_reason():
    """The wait ends by itself, and the message says what was lacking last."""
    silent = child("ws-gateway", SAYS_GOODBYE, f"http://127.0.0.1:{free_ports().gateway}/readyz")
    children = Children(Lines().take)
    await children.start(silent)
    try:
        with pytest.raises(CannotRun, match="ws-gateway was not ready within 1 s: does not answer yet"):
            await children.until_ready(silent, within=1, on_wait=lambda *_: None)
    finally:
        await children.stop()


async def test_a_program_that_is_not_installed_is_named_with_the_cure():
    """A half-installed checkout says what to run."""
    with pytest.raises(CannotRun, match=r"no-such-program is missing.*make .venv"):
        await Children(Lines().take).start(Child("x", ("no-such-program",), {}, ""))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children of a killed parent")
def test_killing_the_parent_leaves_no_child_behind():
    """After `kill -9` of the command nothing goes on in the background."""
    code = textwrap.dedent(f"""
        import asyncio, os
        from baleen.children import Children
        from baleen.plan import Child
        async def main():
            children = Children(lambda name, text: print(text, flush=True))
            await children.start(Child("x", ("python", "-c", {SAYS_GOODBYE!r}), dict(os.environ), ""))
            print("pid", children._running[0][1].pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[1])
        assert parent.stdout.readline() == "hello\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait(5)
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Tell whether a process still does anything; one that ended may wait to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
