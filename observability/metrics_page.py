"""Writes `docs/metrics.md` from the catalogue, or tells whether it is as the catalogue says.

`python -m observability.metrics_page write` and `... check`; the second ends with 1 when they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from observability.catalogue import ALERT_BRIDGE, GATEWAY, INGEST, LABELS_PER_WORKER, NATS, PROMETHEUS, Metric

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
_COMMAND: Final = "python -m observability.metrics_page write"

_HEAD: Final = f"""\
# Metrics

<!-- Made by `{_COMMAND}`; change observability/catalogue.py instead. -->

What each service shows at `/metrics` of its port. No label is ever a ticker, an id of an alert, a user or an
address: labels hold closed lists (`reason`, `state`, `code`, ...) or what the operator named (`destination`,
`rule`). What should be done when a figure is wrong is in [runbook.md](runbook.md). What the client library
counts comes with a `_created` beside it, the time it began; a histogram `x` has the series `x_bucket`,
`x_sum` and `x_count`.
"""

_WORKERS: Final = f"""\
With several workers every metric but those about the workers has the label `{LABELS_PER_WORKER}` too."""
_BRIDGE: Final = """\
Those of the spool exist where there is one. Those of the account are the same on every replica: take `max`,
not `sum`, over them."""
_NATS: Final = """\
nats-server has no `/metrics`: these are what rules and dashboards use of prometheus-nats-exporter, run with
`-prefix=nats -varz -connz -jsz=all` as in compose and in the official chart. `nats_stream_limit_bytes` needs
its version 0.17. This table is not compared with a running exporter."""

_SECTIONS: Final[tuple[tuple[str, str, Sequence[Metric]], ...]] = (
    ("uw-ingest", "", INGEST),
    ("ws-gateway", _WORKERS, GATEWAY),
    ("alert-bridge", _BRIDGE, ALERT_BRIDGE),
    ("NATS", _NATS, NATS),
    ("Prometheus", "What Prometheus itself makes.", PROMETHEUS),
)


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(*section) for section in _SECTIONS)])


def _section(title: str, words: str, metrics: Sequence[Metric]) -> str:
    lines = [
        f"## {title}",
        "",
        *([words, ""] if words else []),
        "| name | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join([*lines, ""])


def main(words: Sequence[str]) -> int:
    """Do what the one word says; the exit code."""
    match words:
        case ["write"]:
            PAGE.write_text(page())
        case ["check"]:
            if not PAGE.exists() or PAGE.read_text() != page():
                sys.stderr.write(f"docs/metrics.md is not what the catalogue says: {_COMMAND}\n")
                return 1
        case _:
            sys.stderr.write("python -m observability.metrics_page write|check\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
