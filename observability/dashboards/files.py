"""The dashboards as the files that Grafana is provisioned with. Pure."""

from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from observability.dashboards.alerts import ALERTS
from observability.dashboards.board import Board, model_of
from observability.dashboards.bus import BUS
from observability.dashboards.gateway import GATEWAY
from observability.dashboards.overview import OVERVIEW
from observability.dashboards.upstream import UPSTREAM

BOARDS: tuple[Board, ...] = (OVERVIEW, UPSTREAM, GATEWAY, ALERTS, BUS)


def texts() -> dict[str, str]:
    """Return the JSON of every dashboard by the name of its file."""
    return {
        f"{board.uid}.json": json.dumps(model_of(board), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for board in BOARDS
    }
