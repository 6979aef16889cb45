"""Every panel, asked of a real Prometheus that scrapes the real services under the simulator's load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.observability.load import in_background, posting, reading, speaks
from tests.observability.nats_told import exporting
from tests.observability.panels import FILES, asked, dashboard
from tests.observability.platform_running import Running, running_platform
from tests.observability.scraping import Prometheus, prometheus

SPEAK_WITHIN = 120.0
EVERY = [one for file in FILES for one in asked(dashboard(file))]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def watched(platform: Running, folder: Path) -> Iterator[Prometheus]:
    """Run the load and the Prometheus that sees it."""
    with ExitStack() as closing:
        closing.enter_context(in_background(reading(platform.urls["ws-gateway"])))
        closing.enter_context(in_background(posting(platform.urls["alert-bridge"])))
        targets = {job: url.removeprefix("http://") for job, url in platform.urls.items()}
        targets["nats"] = closing.enter_context(exporting(platform.monitor))
        yield closing.enter_context(prometheus(targets, folder))


def test_every_panel_speaks_under_load(tmp_path: Path):
    """Each expression has data, or its panel names the drill that makes it speak; what is no metric has none.

    The platform has all that a panel may need, so what is empty for want of that is a failure too.
    """
    with running_platform(tmp_path) as platform, watched(platform, tmp_path) as seen:
        mute = list(EVERY)
        deadline = time.monotonic() + SPEAK_WITHIN
        while any(not one.quiet for one in mute) and time.monotonic() < deadline:
            time.sleep(2)
            mute = [one for one in mute if not speaks(one.expr, seen)]
        down = [series["metric"] for series in seen.ask("up == 0")]

        assert down == []
        assert [str(one) for one in mute if not one.quiet] == []
        assert not speaks("baleen_ingest_frames", seen)
