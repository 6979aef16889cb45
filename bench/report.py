"""Lays the figures of a bench out as a table.  Pure."""

from __future__ import annotations

from typing import Any

_COLUMNS = (
    ("shape", "shape"),
    ("contender", "contender"),
    ("offered_per_second", "offered/s"),
    ("delivered_per_second", "delivered/s"),
    ("delivered_ratio", "ratio"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("max_ms", "max ms"),
    ("cpu.server", "server CPU"),
    ("cpu.nats", "nats CPU"),
    ("cpu.swarm", "swarm CPU"),
    ("cpu.publisher", "publ. CPU"),
    ("server_resident_bytes", "server MB"),
    ("bytes_per_client", "KB/client"),
    ("join_cpu_us", "µs/join"),
    ("connected", "connected"),
)


def table(runs: list[dict[str, Any]]) -> str:
    """A Markdown table, one line a run."""
    rows = [[title for _, title in _COLUMNS]]
    rows += [[_cell(key, _value(run, key)) for key, _ in _COLUMNS] for run in runs]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _value(run: dict[str, Any], key: str) -> Any:
    value: Any = run
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if key.startswith("cpu."):
        return f"{value:.0%}"
    shown = {
        "delivered_ratio": lambda v: f"{v:.2%}",
        "server_resident_bytes": lambda v: f"{v / 2**20:,.0f}",
        "bytes_per_client": lambda v: f"{v / 1024:,.1f}",
        "connected": lambda v: f"{v:,}",
    }
    if key in shown:
        return shown[key](value)
    return f"{value:,.1f}" if key.endswith("_ms") else f"{value:,.0f}"
