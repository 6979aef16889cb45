"""Writes the rules as the Prometheus operator wants them: `python -m observability.cluster_rules`.

They are those of `observability/prometheus/rules`; kustomize reads no file outside its own folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

_ROOT: Final = Path(__file__).resolve().parents[1]
RULES: Final = _ROOT / "observability" / "prometheus" / "rules"
MANIFEST: Final = _ROOT / "k8s" / "components" / "prometheus-operator" / "rules.yaml"
_HEAD: Final = (
    "# Made by `python -m observability.cluster_rules`; change observability/prometheus/rules instead.\n"
)


def manifest() -> str:
    """The manifest with every group of every file."""
    groups = [
        group
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    told = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "baleen", "labels": {"app.kubernetes.io/part-of": "baleen"}},
        "spec": {"groups": groups},
    }
    return _HEAD + yaml.safe_dump(told, sort_keys=False, width=120)


if __name__ == "__main__":
    MANIFEST.write_text(manifest(), encoding="utf-8")
