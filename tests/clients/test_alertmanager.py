"""Alertmanager as Debian packages it, sending its own notifications to a running bridge."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.clients.installing import debian_package

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

CONFIG = """
route:
  receiver: bridge
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: bridge
    webhook_configs:
      - url: {webhook}
        http_config:
          authorization: {{type: Bearer, credentials: "{token}"}}
        send_resolved: true
    discord_configs:
      - webhook_url: {discord}
        send_resolved: true
"""

_AT_HOME = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
_AT_HOME += ['mount --bind "$0" /usr/share && exec "$@"']
"""Debian's program reads its templates from /usr/share: it gets the package's, in a namespace of its own."""


@pytest.fixture
def alertmanager(bridge, tmp_path: Path) -> Iterator[str]:
    """The address of one that runs, told to notify the bridge in both ways."""
    unpacked = debian_package("prometheus-alertmanager")
    source = bridge.sources["alertmanager"]
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        CONFIG.format(
            webhook=f"{bridge.url}/in/alertmanager",
            token=source.token,
            discord=bridge.webhook("alertmanager-discord"),
        )
    )
    log = tmp_path / "alertmanager.log"
    command = [*_AT_HOME, unpacked / "usr/share", unpacked / "usr/bin/prometheus-alertmanager"]
    command += [f"--config.file={config}", f"--storage.path={tmp_path / 'data'}"]
    command += ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.format=json"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
    try:
        bridge.until(lambda: _port(log) or process.poll() is not None)
        assert _port(log), log.read_text()
        yield f"http://127.0.0.1:{_port(log)}"
    finally:
        process.terminate()
        process.wait(10)


def _port(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if "127.0.0.1:" in said.get("address", ""):
            return said["address"].rsplit(":", 1)[1]
    return None


def push(url: str, *, resolved: bool) -> None:
    """Tell it of an alert, as Prometheus does."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "FeedStale", "severity": "critical", "symbol": "SPY"},
        "annotations": {"summary": "No prints for a minute", "description": "The feed stands still."},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "generatorURL": "http://prometheus.invalid/graph",
    }
    if resolved:
        alert["endsAt"] = now.isoformat()
    httpx.post(f"{url}/api/v2/alerts", json=[alert]).raise_for_status()


def test_it_tells_of_an_alert_and_of_its_end(bridge, alertmanager):
    """By its webhook as an alert of ours with all its labels, and by its Discord notifier as an embed."""
    push(alertmanager, resolved=False)
    bridge.until(lambda: bridge.alerts("alertmanager") and bridge.alerts("alertmanager-discord"))
    push(alertmanager, resolved=True)
    bridge.until(
        lambda: len(bridge.alerts("alertmanager")) > 1 and len(bridge.alerts("alertmanager-discord")) > 1
    )

    firing, resolved = bridge.alerts("alertmanager")
    assert (firing.title, firing.content) == ("No prints for a minute", "The feed stands still.")
    assert (firing.severity, firing.symbol) == ("critical", "SPY")
    assert (firing.labels["alertname"], firing.labels["alert.status"]) == ("FeedStale", "firing")
    assert (resolved.title, resolved.labels["alert.status"]) == (
        "[RESOLVED] No prints for a minute",
        "resolved",
    )
    assert firing.id != resolved.id

    shown, ended = bridge.alerts("alertmanager-discord")
    assert "FIRING" in shown.title
    assert "FeedStale" in shown.title
    assert "RESOLVED" in ended.title
