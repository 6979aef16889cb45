"""Which address a client is limited by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.addresses import client_of, network_of

PROXIES = (network_of("10.0.0.0/8"), network_of("127.0.0.1"), network_of("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.7"], "10.0.0.7"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("fd00::1", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ],
)
def test_a_header_is_believed_of_trusted_proxies_alone(peer: str, forwarded: list[str], address: str):
    """The last address that a proxy we trust has seen counts; what others say of addresses does not."""
    assert client_of(peer, forwarded, PROXIES) == address


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", None, "testclient"])
def test_this_machine_is_not_limited(peer: str | None):
    """Where no proxy is named, loopback is whoever runs the gateway, whatever its headers say."""
    assert client_of(peer, ["198.51.100.1"], ()) is None


def test_an_address_of_ipv6_stands_for_its_site():
    """Whoever has one has all that share its first 64 bits."""
    one, two = client_of("2001:db8::1", [], ()), client_of("2001:db8::ffff:2", [], ())

    assert one == two == "2001:db8::/64"
    assert client_of("2001:db8:0:1::1", [], ()) != one


@given(st.lists(st.text(max_size=30), max_size=40))
def test_any_header_is_read(forwarded: list[str]):
    """Whatever stands in it, there is an address to limit by."""
    assert client_of("10.0.0.1", forwarded, PROXIES)


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=5))
def test_what_a_client_writes_does_not_hide_it(forged: list[str]):
    """A client behind a proxy is seen as what the proxy saw, whatever header it sent itself."""
    assert client_of("10.0.0.1", [", ".join([*forged, "198.51.100.1"])], PROXIES) == "198.51.100.1"


def test_what_is_no_network_is_refused():
    """A word is no address."""
    with pytest.raises(ValueError, match="proxy"):
        network_of("proxy")
