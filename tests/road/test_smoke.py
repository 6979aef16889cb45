"""The whole road on real processes, walked by `baleen smoke`, which must also fail when it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def smoke(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `baleen smoke` as a person would."""
    return subprocess.run(
        [Path(sys.executable).with_name("baleen"), "smoke", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_flow_alert_a_congress_trade_and_an_alert_reach_a_client():
    """Upstream frames and a webhook's post come out at a WebSocket client, and each hop has a figure."""
    done = smoke()

    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("flow_alert", "congress_trade", "alert ", "stored to", "the road is open"):
        assert word in done.stdout
    assert "flow-alerts" in done.stdout  # the frame of an existing front end


def test_what_did_not_arrive_is_named():
    """Without the messages the run fails, and says which are missing."""
    done = smoke("--within", "0.001")

    assert done.returncode == 1
    assert "there arrived no flow_alert" in done.stdout


def test_a_process_that_does_not_start_is_named_with_its_last_lines():
    """A setting that every service refuses fails the run, and the refusal is shown."""
    done = smoke(BALEEN_LOG_LEVEL="loud")

    assert done.returncode == 1
    assert "BALEEN_LOG_LEVEL" in done.stdout
    assert "a setting is wrong" in done.stdout
