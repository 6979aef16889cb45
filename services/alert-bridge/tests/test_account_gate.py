"""Who may see what was alerted: whoever is on this machine, else who shows the operator's token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.account.gate import Gate
from alert_bridge.errors import NotAllowed

TOKEN = "an-operators-own-token"


def bearer(token: str) -> dict[str, str]:
    """The header that shows it."""
    return {"authorization": f"Bearer {token}"}


def test_on_loopback_nobody_is_asked():
    """As for `/alerts`: being on this machine is enough."""
    Gate(None, trusts_loopback=True).admit({})
    Gate(TOKEN, trusts_loopback=True).admit({})
    Gate(TOKEN, trusts_loopback=True).admit(bearer(TOKEN))


@pytest.mark.parametrize(
    ("gate", "headers", "known", "says"),
    [
        (Gate(None, trusts_loopback=True), {"origin": "http://evil.example"}, True, "web pages"),
        (Gate(TOKEN, trusts_loopback=True), bearer("a-sources-token"), False, "not the operator's"),
        (Gate(None, trusts_loopback=True), bearer(""), False, "not the operator's"),
        (Gate(None, trusts_loopback=False), {}, True, "ALERT_BRIDGE_ADMIN_TOKEN is not set"),
        (Gate(None, trusts_loopback=False), bearer("anything"), False, "not the operator's"),
        (Gate(TOKEN, trusts_loopback=False), {}, False, "a bearer token is needed"),
        (Gate(TOKEN, trusts_loopback=False), {"authorization": TOKEN}, False, "a bearer token is needed"),
    ],
)
def test_everybody_else_is_turned_away_with_a_sentence(gate, headers, known, says):
    """The sentence says what is missing, and never what was shown or is right."""
    with pytest.raises(NotAllowed) as caught:
        gate.admit(headers)

    assert caught.value.known is known
    assert says in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_an_empty_token_opens_nothing():
    """A variable that was left empty is not a token that everybody has."""
    gate = Gate("", trusts_loopback=False)

    assert not gate.knows("")


@given(st.text())
def test_no_other_token_opens_it(token):
    """Whatever bytes come."""
    assert Gate(TOKEN, trusts_loopback=False).knows(token) is (token == TOKEN)
