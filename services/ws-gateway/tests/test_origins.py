"""Pages of strangers may not connect, programs and our own pages may."""

import pytest

from ws_gateway.origins import allowed

LISTED = ("http://localhost:3000",)


@pytest.mark.parametrize(
    ("origin", "host", "verdict"),
    [
        (None, "127.0.0.1:8000", True),
        ("http://localhost:3000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:9999", "127.0.0.1:9999", True),
        ("https://evil.example", "127.0.0.1:8000", False),
        ("null", "127.0.0.1:8000", False),
        ("http://localhost:3001", None, False),
    ],
)
def test_who_may_connect(origin: str | None, host: str | None, verdict: bool):
    """No origin, a listed one and our own are let in; everybody else is not."""
    assert allowed(origin, host, LISTED) is verdict


def test_a_star_lets_every_page_in():
    """The operator may open the gateway to all pages."""
    assert allowed("https://anywhere.example", "x", ("*",))
