"""Which addresses a destination may have, and that the one looked at is the one connected to."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alert_bridge.destinations import outward
from alert_bridge.destinations.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",  # noqa: S104 - a refused one
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "not an address",
    ],
)
def test_what_is_not_the_public_internet_is_refused(address: str):
    """This machine, private networks, the metadata of clouds, also in the clothes of IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "162.159.128.233", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_pass(address: str):
    """Also through the translation of a network without IPv4."""
    assert is_public(address)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client that looks at addresses."""
    async with outward.client(checked=True) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
    ],
)
async def test_no_spelling_of_this_machine_is_connected_to(http: httpx.AsyncClient, stranger: Any, host: str):
    """Names and numbers of all bases lead through the same look at the address."""
    with pytest.raises(outward.NotPublic):
        await outward.ask(http, http.build_request("GET", f"http://{host}:{stranger.port}/"))

    assert not stranger.asked


class Names:
    """A resolver whose answers the test decides, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self._resolve)

    async def _resolve(self, _host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


@pytest.mark.parametrize("host", ["0177.0.0.1", "127.0.0.256"])
def test_a_number_that_is_no_address_never_gets_as_far(host: str):
    """The client itself refuses it."""
    with pytest.raises(httpx.InvalidURL):
        httpx.URL(f"http://{host}/")


async def test_a_name_that_leads_into_a_private_network_is_refused(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    """Also if only one of its addresses does."""
    Names(monkeypatch, ["1.1.1.1", "10.0.0.1"])

    with pytest.raises(outward.NotPublic):
        await outward.ask(http, http.build_request("GET", "https://receiver.test/"))


async def test_the_connection_goes_to_the_address_that_was_looked_at(
    http: httpx.AsyncClient, stranger: Any, monkeypatch: pytest.MonkeyPatch
):
    """A name that answers differently the second time has no second time."""
    names = Names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    monkeypatch.setattr(outward, "is_public", lambda address: address == "127.0.0.1")

    reply = await outward.ask(http, http.build_request("POST", f"http://receiver.test:{stranger.port}/a"))

    assert reply.status == 200
    assert names.asked == 1
    assert stranger.asked[0].headers["host"] == f"receiver.test:{stranger.port}"


async def test_an_address_that_takes_no_connection_gives_way_to_the_next(
    http: httpx.AsyncClient, stranger: Any, monkeypatch: pytest.MonkeyPatch
):
    """As a browser would."""
    Names(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(outward, "is_public", lambda _: True)

    reply = await outward.ask(http, http.build_request("GET", f"http://receiver.test:{stranger.port}/a"))

    assert reply.status == 200


async def test_the_certificate_must_be_that_of_the_name_not_of_the_address(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The name is what the server is asked for, and an unknown certificate ends the connection."""
    wanted: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    context.sni_callback = lambda _socket, name, _context: wanted.append(name)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    Names(monkeypatch, ["127.0.0.1"])
    monkeypatch.setattr(outward, "is_public", lambda _: True)

    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(httpx.ConnectError):
            await outward.ask(http, http.build_request("GET", f"https://receiver.test:{port}/"))

    assert wanted == ["receiver.test"]


async def test_redirects_are_not_followed(stranger: Any):
    """They could lead anywhere."""
    stranger.says(302, b"", {"Location": f"http://127.0.0.1:{stranger.port}/elsewhere"})
    async with outward.client(checked=False) as client:
        reply = await outward.ask(client, client.build_request("GET", stranger.url))

    assert reply.status == 302
    assert len(stranger.asked) == 1


async def test_an_answer_is_read_up_to_its_bound_and_never_unpacked(stranger: Any):
    """A small packed answer may be endless when unpacked."""
    stranger.says(200, b"\x1f\x8b" + b"x" * 200_000, {"Content-Encoding": "gzip"})
    async with outward.client(checked=False) as client:
        reply = await outward.ask(client, client.build_request("GET", stranger.url))

    assert len(reply.body) == outward.MOST_BYTES
    assert stranger.asked[0].headers["accept-encoding"] == "identity"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody knows, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    there, secret = folder / "certificate.pem", folder / "key.pem"
    there.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return there, secret
