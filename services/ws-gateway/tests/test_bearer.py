"""Where a token is found in a request, and that it is found there by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.bearer import Bearer, take_out

TOKEN = "eyJ.eyJ.sig"


def scope(query: bytes = b"", protocols: tuple[str, ...] = (), **headers: str) -> dict[str, Any]:
    """Return what a server says of a request."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if protocols:
        given.append((b"sec-websocket-protocol", ", ".join(protocols).encode()))
    return {"query_string": query, "headers": given, "subprotocols": list(protocols)}


@pytest.mark.parametrize(
    ("request_scope", "in_address"),
    [
        (scope(authorization=f"Bearer {TOKEN}"), False),
        (scope(authorization=f"bearer  {TOKEN} "), False),
        (scope(protocols=("baleen.v1", f"bearer.{TOKEN}")), False),
        (scope(f"token={TOKEN}".encode()), True),
        (scope(f"replay=5&token={TOKEN}&x=".encode()), True),
        (scope(f"%74oken={TOKEN}".encode()), True),
        (scope(f"token=wrong&token={TOKEN}".encode()), True),
    ],
)
def test_a_token_is_taken_out_and_nothing_else(request_scope: dict[str, Any], in_address: bool):
    """It is found in each of its places, and then in none; what else was said stays."""
    assert take_out(request_scope) == Bearer(TOKEN, in_address=in_address)
    assert TOKEN not in str(request_scope)
    assert "token" not in str(request_scope)
    assert take_out(request_scope) is None


def test_what_stands_beside_a_token_stays():
    """Other parameters, headers and subprotocols are left as they are."""
    asked = scope(
        f"replay=5&token={TOKEN}&x=a%20b".encode(), ("baleen.v1", f"bearer.{TOKEN}"), host="h", cookie="c=1"
    )
    take_out(asked)

    assert asked == scope(b"replay=5&x=a%20b", ("baleen.v1",), host="h", cookie="c=1")


def test_the_header_counts_before_the_subprotocol_and_that_before_the_address():
    """Of several tokens one counts; all are taken out."""
    everywhere = scope(b"token=c", ("bearer.b",), authorization="Bearer a")
    two = scope(b"token=c", ("bearer.b",))

    assert take_out(everywhere) == Bearer("a", in_address=True)
    assert take_out(two) == Bearer("b", in_address=True)
    assert take_out(everywhere) is take_out(two) is None


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(),
        scope(authorization="Basic dXNlcjpwYXNz"),
        scope(b"tokens=5&atoken=6"),
        scope(protocols=("baleen.v1",)),
        {"headers": []},
    ],
)
def test_a_request_without_a_token_is_left_alone(request_scope: dict[str, Any]):
    """What only looks like one is none."""
    before = str(request_scope)

    assert take_out(request_scope) is None
    assert str(request_scope) == before


def test_a_token_does_not_show_itself():
    """It is in no representation."""
    assert TOKEN not in repr(Bearer(TOKEN, in_address=True))


@given(st.binary(max_size=60), st.lists(st.text(max_size=12), max_size=3), st.binary(max_size=30))
def test_any_request_is_read(query: bytes, protocols: list[str], authorization: bytes):
    """Whatever stands in it, nothing is raised, and the second look finds nothing."""
    request = {
        "query_string": query,
        "subprotocols": protocols,
        "headers": [
            (b"authorization", authorization),
            (b"sec-websocket-protocol", ",".join(protocols).encode()),
        ],
    }
    take_out(request)

    assert take_out(request) is None
