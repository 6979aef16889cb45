"""A real Prometheus with the shipped rules over one platform, asked what fires as its page `/alerts` is."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.drills.site import LOOPBACK, Site, until
from tests.observability.nats_told import exporting
from tests.observability.scraping import Prometheus, running_prometheus

from baleen.ports import free_ports

OBSERVABILITY = Path(__file__).resolve().parents[2] / "observability" / "prometheus"
RULES = sorted((OBSERVABILITY / "rules").glob("*.yml"))
SHORTER = "DRILL_FOR"
"""A variable: what `for` becomes in a copy of the rules, such as 5s, for a quick look. Unset: as shipped."""

SCRAPED_EVERY = "5s"
JUDGED_EVERY = "2s"
SETTLED_WITHIN = 240.0

_SECONDS = {"s": 1, "m": 60, "h": 3600}
Alert = dict[str, Any]


def alerting_rules() -> dict[str, dict[str, Any]]:
    """Every alert of the shipped rules."""
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def seconds_of(rule: Mapping[str, Any]) -> float:
    """How long the expression of a rule must hold, as this run judges it."""
    text = str(rule.get("for", "0s"))
    text = os.environ.get(SHORTER, text) if "for" in rule else text
    return float(text[:-1]) * _SECONDS[text[-1]]


class Watcher:
    """What somebody sees who looks at Prometheus."""

    def __init__(self, asked: Prometheus) -> None:
        """Ask this one."""
        self.asked = asked

    def firing(self, severity: str = ".*") -> set[str]:
        """The names of the alerts that fire now."""
        return {
            alert["labels"]["alertname"]
            for alert in self.asked.alerts()
            if alert["state"] == "firing" and severity in (".*", alert["labels"]["severity"])
        }

    def fires(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether an alert fires with these labels at least."""
        return any(
            alert["state"] == "firing" and {"alertname": name, **labels}.items() <= alert["labels"].items()
            for alert in self.asked.alerts()
        )

    def is_calm(self, drilled: Collection[str]) -> bool:
        """Whether every target is up, every rule was judged, and nothing critical or drilled is pending.

        Objectives look back over hours: of what a drill cost them they tell long after it.
        """
        up = self.asked.ask("up")
        return (
            len(up) == _TARGETS
            and all(series["value"][1] == "1" for series in up)
            and all(rule["health"] == "ok" for rule in self.asked.rules())
            and not [
                alert
                for alert in self.asked.alerts()
                if alert["labels"]["severity"] == "critical" or alert["labels"]["alertname"] in drilled
            ]
        )

    def told(self) -> str:
        """What it shows now, for a failing drill's words."""
        lines = [f"{alert['state']} {alert['labels']}" for alert in self.asked.alerts()]
        down = [series["metric"] for series in self.asked.ask("up == 0")]
        bad = [rule["name"] for rule in self.asked.rules() if rule["health"] != "ok"]
        return "\n".join([*lines, f"down: {down}", f"not judged: {bad}"])

    def until_calm(self, drilled: Collection[str]) -> None:
        """Wait until nothing is reported that a drill may: what is seen afterwards has been done."""
        until(lambda: self.is_calm(drilled), lambda: f"nothing is reported\n{self.told()}", SETTLED_WITHIN)


@contextmanager
def watching(site: Site) -> Iterator[Watcher]:
    """Watch a platform; end Prometheus afterwards."""
    with ExitStack() as closing:
        targets = {**site.targets, "nats": closing.enter_context(exporting(site.monitor))}
        port = free_ports().monitor
        targets["prometheus"] = f"{LOOPBACK}:{port}"
        rules = rules_in(site.folder / "rules")
        config = configured(targets, rules)
        yield Watcher(closing.enter_context(running_prometheus(config, site.folder, port)))


def configured(targets: Mapping[str, str], rules: Path) -> dict[str, Any]:
    """The shipped configuration with our targets in place of the containers', and asked more often."""
    config: dict[str, Any] = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    config["global"] = {
        "scrape_interval": SCRAPED_EVERY,
        "scrape_timeout": SCRAPED_EVERY,
        "evaluation_interval": JUDGED_EVERY,
    }
    config["rule_files"] = [str(rules / "*.yml")]
    for job in config["scrape_configs"]:
        found = [key for key in job if key.endswith("_sd_configs") or key == "static_configs"]
        for key in found:
            del job[key]
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    assert {job["job_name"] for job in config["scrape_configs"]} == set(targets)
    return config


_TARGETS = len(yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"])


def rules_in(folder: Path) -> Path:
    """The shipped rules; a copy with another `for` only where somebody asks for it."""
    shorter = os.environ.get(SHORTER)
    if shorter is None:
        return OBSERVABILITY / "rules"
    folder.mkdir()
    for file in RULES:
        copy = yaml.safe_load(file.read_text())
        for rule in (rule for group in copy["groups"] for rule in group["rules"]):
            if "for" in rule:
                rule["for"] = shorter
        (folder / file.name).write_text(yaml.safe_dump(copy))
    return folder
