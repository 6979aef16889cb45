"""What an operator reads at ``/budget``, for each thing that goes wrong upstream."""

import json
from typing import Any

import pytest

from baleen_bus.leases import Seen
from uw_ingest.fleet.budget_page import BudgetFacts, budget_page
from uw_ingest.plan.planner import Placement, Plan
from uw_ingest.plan.wanted import Unserved

PLAN = Plan(
    joins={1: ("news", "price")},
    placements=(Placement("news", 1, "configured", None), Placement("price", 1, "wished by 2", None)),
    unserved=(Unserved("uw.v1.net_flow.*", ("team/x",), "needs a ticker"),),
    ceiling=3,
    ceiling_why="as configured",
)


def facts(**socket: Any) -> BudgetFacts:
    """A replica that looks on while another holds the only socket."""
    value = {"owner": "other", "state": "connected", "accepted": ["news", "price"], "epoch": 4, **socket}
    return BudgetFacts(
        replica="me",
        now=100.0,
        most=3,
        lease_length=6.0,
        leases={"socket.1": Seen("socket.1", value, 9, deleted=False, at=99.0)},
        ours={},
        plan=PLAN,
        feeds={"news": ("live", "")},
        rest={},
    )


def test_every_replica_says_who_holds_what_until_when_and_why():
    """The holder, the lease's end, the channels with their reasons, and what is not served."""
    page = budget_page(facts())

    slot = page["sockets"]["slots"][0]
    assert (slot["holder"], slot["mine"], slot["state"], slot["until_s"]) == (
        "other",
        False,
        "connected",
        5.0,
    )
    assert [s["state"] for s in page["sockets"]["slots"][1:]] == ["free", "free"]
    assert [(c["channel"], c["slot"], c["state"]) for c in page["channels"]] == [
        ("news", 1, "joined"),
        ("price", 1, "joined"),
    ]
    assert page["unserved"][0]["why"] == "needs a ticker"
    json.dumps(page)


@pytest.mark.parametrize(
    ("socket", "what", "do"),
    [
        (
            {"state": "not_entitled", "why": "the token does not have the websocket scope"},
            "socket 1",
            "upgrade",
        ),
        ({"state": "waiting", "why": "handshake refused (403)"}, "socket 1", "another address"),
        ({"state": "waiting", "why": "handshake refused (503)"}, "socket 1", "Wait"),
        ({"state": "cooling", "why": "closed at once, as one socket too many"}, "cooling", "UW_INGEST_SLOTS"),
        ({"state": "cooling", "why": "refused in silence"}, "cooling", "UW_INGEST_SLOTS=1"),
        ({"state": "waiting", "why": "mute"}, "mute", "opened anew"),
        ({"full_at": 50}, "full", "global channel"),
        ({"refused": {"gex:SPY": "never answered, asked 4 times"}}, "gex:SPY", "name"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(socket: dict[str, Any], what: str, do: str):
    """One line each, in words that need no source code."""
    troubles = budget_page(facts(**socket))["trouble"]

    assert any(what in one["what"] and do in one["do"] for one in troubles), troubles


@pytest.mark.parametrize(
    "value",
    [
        {},
        {
            "owner": 5,
            "state": [],
            "accepted": "news",
            "epoch": "x",
            "refused": [],
            "weights": 1,
            "full_at": None,
        },
        {"accepted": [1, None, "news"], "why": {"a": 1}},
    ],
)
def test_what_a_stranger_wrote_into_a_lease_costs_nothing(value: dict[str, Any]):
    """The page is still a page."""
    stranger = facts()
    leases = {"socket.1": Seen("socket.1", value, 9, deleted=False, at=99.0)}
    json.dumps(
        budget_page(
            BudgetFacts(**{**{f: getattr(stranger, f) for f in stranger.__slots__}, "leases": leases})
        )
    )
