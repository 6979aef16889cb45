"""Pages of strangers may not connect, programs and our own pages may; strange names are not ours."""

import pytest

from ws_gateway.doors.origins import Doors

LISTED = ("http://localhost:3000",)
HOME = Doors(LISTED)
NAMED = Doors(LISTED, ("gateway.example",))
ANYWHERE = Doors(LISTED, anywhere=True)


@pytest.mark.parametrize(
    ("origin", "host", "verdict"),
    [
        (None, "127.0.0.1:8000", True),
        ("http://localhost:3000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:9999", "127.0.0.1:9999", True),
        ("http://127.7.7.7:9999", "127.7.7.7:9999", True),
        ("http://localhost:18000", "localhost:18000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost", "localhost", True),
        ("https://evil.example", "127.0.0.1:8000", False),
        ("http://localhost:3001", "localhost:8000", False),
        ("null", "127.0.0.1:8000", False),
        ("http://localhost:3001", None, False),
        ("http://evil.example", "evil.example", False),
        ("http://evil.example:8000", "evil.example:8000", False),
        ("http://localhost.evil.example", "localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", "localhost@evil.example", False),
        ("http://localhost:80@evil.example", "localhost:80@evil.example", False),
        ("http://", "", False),
    ],
)
def test_who_may_connect(origin: str | None, host: str | None, verdict: bool):
    """No origin, a listed one and our own are let in; a page whose name merely leads here is not our own."""
    assert HOME.admits(origin, host) is verdict


def test_a_star_lets_every_page_in():
    """The operator may open the gateway to all pages."""
    assert Doors(("*",)).admits("https://anywhere.example", "x")


@pytest.mark.parametrize(
    ("doors", "host", "ours", "served"),
    [
        (HOME, "localhost:8000", True, True),
        (HOME, "LOCALHOST.:8000", True, True),
        (HOME, "127.0.0.1", True, True),
        (HOME, "[::1]:8000", True, True),
        (HOME, "evil.example", False, False),
        (HOME, "ws-gateway:8000", False, False),
        (HOME, "192.168.1.5:8000", False, False),
        (HOME, "", False, False),
        (NAMED, "Gateway.Example:8443", True, True),
        (NAMED, "other.example", False, False),
        (ANYWHERE, "localhost:18000", True, True),
        (ANYWHERE, "192.168.1.5:8000", True, True),
        (ANYWHERE, "[fd00::5]:8000", True, True),
        (ANYWHERE, "ws-gateway:8000", False, True),
        (ANYWHERE, "evil.example:8000", False, False),
        (Doors(LISTED, ("*",), anywhere=True), "evil.example:8000", False, True),
        (Doors(LISTED, ("*",)), "evil.example", False, True),
    ],
)
def test_which_names_are_ours(doors: Doors, host: str, ours: bool, served: bool):
    """A name is served if it cannot be a stranger's or the operator says so; fewer names are ours."""
    assert doors.serves(host) is served
    assert doors.admits(f"http://{host}", host) is ours
    assert doors.serves(None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "post"])
def test_a_strange_page_may_read_what_its_browser_lets_it_and_do_nothing(method: str):
    """What changes something is obeyed for programs and admitted pages alone."""
    assert HOME.obeys("GET", "https://evil.example", "localhost")
    assert not HOME.obeys(method, "https://evil.example", "localhost")
    assert HOME.obeys(method, None, "localhost")
    assert HOME.obeys(method, "http://localhost:8000", "localhost:8000")
