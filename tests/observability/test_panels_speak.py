"""Every panel, asked of a real Prometheus that scrapes the real services under the simulator's load."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from tests.observability.nats_told import exporting
from tests.observability.panels import FILES, Asked, asked, dashboard
from tests.observability.platform_running import Running, running_platform
from tests.observability.scraping import Prometheus, prometheus
from websockets.sync.client import connect

SPEAK_WITHIN = 120.0
EVERY = [one for file in FILES for one in asked(dashboard(file))]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def in_background(work: Callable[[Event], None]) -> Iterator[None]:
    """Do something until the test has seen enough."""
    enough = Event()
    thread = Thread(target=work, args=(enough,))
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(20)
        assert not thread.is_alive()


def reading(url: str) -> Callable[[Event], None]:
    """Return a client that follows everything that streams."""

    def work(enough: Event) -> None:
        with connect(url.replace("http", "ws") + "/v1/stream", max_size=None) as line:
            line.send(json.dumps({"op": "subscribe", "topics": ["uw.v1.>"]}))
            while not enough.is_set():
                line.recv(timeout=30)

    return work


def posting(url: str) -> Callable[[Event], None]:
    """Return a sender of an alert a second."""

    def work(enough: Event) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            while not enough.wait(1):
                client.post(
                    "/alerts", json={"alert_type": "drill", "source": "desk", "title": "a panel is asked"}
                )

    return work


@contextmanager
def watched(platform: Running, folder: Path) -> Iterator[Prometheus]:
    """Run the load and the Prometheus that sees it."""
    with ExitStack() as closing:
        closing.enter_context(in_background(reading(platform.urls["ws-gateway"])))
        closing.enter_context(in_background(posting(platform.urls["alert-bridge"])))
        targets = {job: url.removeprefix("http://") for job, url in platform.urls.items()}
        targets["nats"] = closing.enter_context(exporting(platform.monitor))
        yield closing.enter_context(prometheus(targets, folder))


def speaks(one: Asked, seen: Prometheus) -> bool:
    """Whether an expression has a value that is a number."""
    return any(not math.isnan(float(series["value"][1])) for series in seen.ask(one.expr))


def test_every_panel_speaks_under_load(tmp_path: Path):
    """Each expression has data, or its panel names the drill that makes it speak; what is no metric has none.

    The platform has all that a panel may need, so what is empty for want of that is a failure too.
    """
    with running_platform(tmp_path) as platform, watched(platform, tmp_path) as seen:
        mute = list(EVERY)
        deadline = time.monotonic() + SPEAK_WITHIN
        while any(not one.quiet for one in mute) and time.monotonic() < deadline:
            time.sleep(2)
            mute = [one for one in mute if not speaks(one, seen)]
        down = [series["metric"] for series in seen.ask("up == 0")]

        assert down == []
        assert [str(one) for one in mute if not one.quiet] == []
        assert not speaks(Asked("", "", "baleen_ingest_frames", quiet=False), seen)
