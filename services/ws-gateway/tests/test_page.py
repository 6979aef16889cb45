"""The page at `/`: whole in itself, allowed to run only what it brought, and in step with the contracts."""

import asyncio
import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import by_name
from ws_gateway.testing import GatewayProcess

PACKAGE = Path(__file__).parents[1]
PAGE = files("ws_gateway").joinpath("page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """A gateway process."""
    with NatsServer() as server:
        asyncio.run(bootstrap(url=server.url))
        with GatewayProcess(server.url) as running:
            yield running


class Elements(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.found.append((tag, dict(attrs)))


def digest(tag: str) -> str:
    """Return the CSP source of the page's one inline *tag*."""
    (code,) = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'"


def test_the_page_never_puts_a_token_into_an_address():
    """It is taken from behind the #, which no server sees, and handed in as a subprotocol."""
    (script,) = re.findall("<script>(.*?)</script>", PAGE, re.DOTALL)

    assert "location.hash" in script
    assert '"bearer." + token' in script
    assert "?token" not in script
    assert "&token" not in script


async def test_the_page_may_run_only_its_own_script(gateway: GatewayProcess):
    """The policy names the digests of the inline code, and nothing may be fetched but from the gateway."""
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        answer = await client.get("/")
        known = await client.get("/", headers={"If-None-Match": answer.headers["ETag"]})

    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text == PAGE
    assert "default-src 'none'" in policy
    assert f"script-src {digest('script')};" in policy
    assert f"style-src {digest('style')};" in policy
    assert "unsafe" not in policy
    assert (known.status_code, known.content) == (304, b"")


async def test_every_link_of_the_page_leads_somewhere(gateway: GatewayProcess):
    """A link to an endpoint that is gone is worse than none."""
    links = [attrs["href"] for tag, attrs in Elements(PAGE).found if tag == "a"]
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        found = {str(link): (await client.get(str(link))).status_code for link in links}

    assert links
    assert set(found.values()) == {200}, found


def test_the_page_needs_nothing_from_elsewhere():
    """No other host, no inline handler or style that the policy would refuse."""
    elements = Elements(PAGE).found
    sources = [attrs[name] or "" for _, attrs in elements for name in ("src", "href") if name in attrs]

    assert all(source.startswith(("/", "data:")) for source in sources)
    assert not [attrs for _, attrs in elements if "style" in attrs or any(key[:2] == "on" for key in attrs)]
    assert not re.findall(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", PAGE)


def test_the_page_asks_for_the_topics_of_the_catalogue():
    """A subject that moves is noticed here, since the page cannot import the catalogue."""
    asked = dict(re.findall(r'entity: "(\w+)", topic: "([^"]+)"', PAGE))

    assert set(asked) == {
        "flow_alert",
        "dark_pool",
        "option_trade",
        "market_mover",
        "congress_trade",
        "alert",
        "signal",
    }
    assert asked == {entity: by_name(entity).pattern for entity in asked}
    assert by_name("feed_status").pattern in PAGE


def test_the_page_reads_only_fields_that_messages_have():
    """A field that is renamed in the contracts is noticed here."""
    for card in re.split(r'\{ entity: "', PAGE)[1:]:
        entity = card.split('"')[0]
        row = card[: card.index("] },")]
        read = set(re.findall(r"\bm\.(\w+)", row))
        assert read
        assert read <= set(by_name(entity).model.model_fields), entity


@pytest.mark.parametrize("name", ["viewport", "color-scheme"])
def test_the_page_fits_a_phone_and_the_dark(name: str):
    """The browser is told not to zoom out, and to draw its own parts dark."""
    assert [attrs for tag, attrs in Elements(PAGE).found if tag == "meta" and attrs.get("name") == name]


def test_the_page_travels_in_the_wheel(tmp_path: Path):
    """An installed gateway has its page, not only one that runs from the sources."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("ws_gateway/page.html").decode() == PAGE
