"""Keys that change while the gateway runs: in a file, or at an address."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from websockets.exceptions import ConnectionClosed

from ws_gateway.doors.keyring import Keyring, _document, flaw_of_source
from ws_gateway.doors.keys import EDDSA, MAX_SET_BYTES, KeySet

ONE, TWO = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def document(**keys: Ed25519PrivateKey) -> bytes:
    """Return a key set of *keys* by name."""
    entries = [
        {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid} for kid, key in keys.items()
    ]
    return json.dumps({"keys": entries}).encode()


class Source:
    """A web server that gives a key set, or something else."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = "200 OK"
        self.headers = ""
        self.body = document(one=ONE)
        self.mute = False
        self.port = 0
        self.answering: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/keys"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.asked += 1
        task = asyncio.current_task()
        assert task is not None
        self.answering.add(task)
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET /elsewhere "):
            body = document(two=TWO)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            writer.close()
            return
        if self.mute:
            await reader.read()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + self.body)
        writer.close()


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    """A key set at an address."""
    source = Source()
    source.server = await asyncio.start_server(source.answer, "127.0.0.1", 0)
    source.port = source.server.sockets[0].getsockname()[1]
    yield source
    source.server.close()
    if source.answering:
        await asyncio.wait(source.answering, timeout=5)


@asynccontextmanager
async def keeping(source: str, *, every: float = 60.0, pause: float = 0.05) -> AsyncIterator[Keyring]:
    """Read a key set until the block ends; `told` collects what is told of each reading."""
    told: list[str | None] = []
    keyring = Keyring(KeySet(), source, every=every, on_read=told.append, pause=pause)
    keyring.told = told  # type: ignore[attr-defined]
    keeper = asyncio.create_task(keyring.keep())
    try:
        yield keyring
    finally:
        assert not keeper.done() or keeper.result() is None
        keeper.cancel()


async def until(condition: Any) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it may depend on anything
            await asyncio.sleep(0.005)


def names(keyring: Keyring) -> list[str | None]:
    """Return the names of the keys that hold now."""
    return [key.kid for key in keyring.keys.fitting(EDDSA, None)]


async def test_a_file_is_read_again_and_again(tmp_path: Path):
    """What it says now holds; a key that it no longer holds does not."""
    file = tmp_path / "keys.json"
    file.write_bytes(document(one=ONE))
    async with keeping(str(file), every=0.05) as keyring:
        await until(lambda: names(keyring) == ["one"])
        file.write_bytes(document(two=TWO))
        await until(lambda: names(keyring) == ["two"])


async def test_a_file_that_comes_late_is_awaited(tmp_path: Path):
    """Until there are keys the operator is told why there are none."""
    file = tmp_path / "keys.json"
    async with keeping(str(file)) as keyring:
        await until(lambda: keyring.failures)
        assert "No such file" in str(keyring.told[0])  # type: ignore[attr-defined]
        file.write_bytes(document(one=ONE))
        await until(lambda: names(keyring) == ["one"])
        assert keyring.told[-1] is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": "500 Broken"},
        {"status": "302 Found", "headers": "Location: /elsewhere\r\n"},
        {"body": b"no keys"},
        {"body": b'{"keys": []}'},
        {"body": b" " * (MAX_SET_BYTES + 1)},
        {"headers": "Content-Encoding: gzip\r\n", "body": b"\x1f\x8b nonsense"},
        {"status": "nonsense"},
    ],
)
async def test_while_the_source_says_nonsense_the_old_keys_hold(source: Source, trouble: dict[str, Any]):
    """It is asked again, and believed again once it makes sense."""
    async with keeping(source.url, every=0.05) as keyring:
        await until(lambda: keyring.readings)
        for name, value in trouble.items():
            setattr(source, name, value)
        await until(lambda: keyring.failures >= 2)
        assert names(keyring) == ["one"]
        assert set(keyring.told) == {None}  # type: ignore[attr-defined]
        source.status, source.headers, source.body = "200 OK", "", document(two=TWO)
        await until(lambda: names(keyring) == ["two"])


async def test_while_the_source_is_away_the_old_keys_hold(source: Source):
    """Nobody is shut out because somebody else's server restarts."""
    async with keeping(source.url, every=0.05) as keyring:
        await until(lambda: keyring.readings)
        source.server.close()
        await until(lambda: keyring.failures >= 2)

        assert names(keyring) == ["one"]


async def test_no_more_of_a_source_is_read_than_a_key_set_may_have(source: Source):
    """Whatever it sends, and however it calls that, memory is not filled with it."""
    source.body = b" " * (40 * MAX_SET_BYTES)

    assert MAX_SET_BYTES < len(await _document(source.url)) < 3 * MAX_SET_BYTES


async def test_a_mute_source_is_not_waited_for_without_end(source: Source, monkeypatch: pytest.MonkeyPatch):
    """A reading has a time; after it comes the next."""
    monkeypatch.setattr("ws_gateway.doors.keyring._WITHIN", 0.2)
    source.mute = True
    async with keeping(source.url, every=0.05) as keyring:
        await until(lambda: keyring.failures >= 2)


async def test_a_wish_brings_a_reading_but_not_too_often(source: Source):
    """Whatever strangers name, the source is asked no more often than the pause allows."""
    async with keeping(source.url, pause=0.3) as keyring:
        await until(lambda: keyring.readings == 1)
        began = time.monotonic()
        assert not keyring.wish()
        while source.asked < 3:
            keyring.wish()
            await asyncio.sleep(0.001)

        assert time.monotonic() - began >= 0.55


async def test_who_waits_for_newer_keys_is_told_when_they_are_read(source: Source):
    """Many wait for one reading."""
    async with keeping(source.url, pause=0.05) as keyring:
        await until(lambda: keyring.readings == 1)
        await until(keyring.wish)
        await until(lambda: keyring.readings == 2)
        source.body = document(one=ONE, two=TWO)
        await until(lambda: keyring._rested)
        asked = source.asked
        assert all(await asyncio.gather(*(keyring.read_anew() for _ in range(20))))

        assert names(keyring) == ["one", "two"]
        assert source.asked == asked + 1


@pytest.mark.parametrize(
    ("where", "fine"),
    [
        ("/etc/keys.json", True),
        ("keys.json", True),
        ("https://login.example/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://localhost/keys", True),
        ("http://[::1]:1/keys", True),
        ("http://login.example/keys", False),
        ("http://127.0.0.1.login.example/keys", False),
        ("http://10.0.0.1/keys", False),
        ("https:///keys", False),
        ("ftp://127.0.0.1/keys", False),
        ("file:///etc/keys.json", False),
        ("https://user:secret@login.example/keys", False),
        ("http://[nonsense/keys", False),
    ],
)
def test_keys_come_from_a_file_or_over_a_safe_way(where: str, fine: bool):
    """Whoever can change them on the way can make tokens."""
    flaw = flaw_of_source(where)

    assert (flaw is None) is fine
    assert "secret" not in str(flaw)


# Together with the gateway.


def token(key: Any, kid: str, algorithm: str = EDDSA) -> str:
    """Make a token."""
    said = {"sub": "alice", "aud": "baleen", "exp": time.time() + 60, "baleen": {"subscribe": [">"]}}
    return jwt.encode(said, key, algorithm, headers={"kid": kid})


async def code_of(live: Any, text: str) -> int | None:
    """Return the code with which a token is refused, None if it is taken."""
    async with live.connect(f"/v1/stream?token={text}") as client:
        try:
            frame = await live.hear(client)
            if frame["op"] == "welcome":
                return None
            await client.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0
    return 0


async def test_a_key_that_is_added_is_found_when_the_first_token_names_it(
    serve_with: Any, source: Source, monkeypatch: pytest.MonkeyPatch
):
    """Its bearer waits for the reading and is let in; a key that never was is refused for good."""
    monkeypatch.setattr("ws_gateway.doors.witness.PAUSE", 0.1)
    async with serve_with(auth="jwt", auth_jwks=source.url) as live:
        keyring = live.gateway.entry.keyring
        await live.until(lambda: keyring.readings == 1)
        assert await code_of(live, token(ONE, "one")) is None
        source.body = document(one=ONE, two=TWO)
        await live.until(lambda: keyring._rested)
        assert await code_of(live, token(TWO, "two")) is None
        await live.until(lambda: keyring._rested)
        assert await code_of(live, token(TWO, "three")) == 4401
        assert await code_of(live, token(TWO, "three")) == 4101


async def test_another_kind_of_key_is_found_too(
    serve_with: Any, source: Source, monkeypatch: pytest.MonkeyPatch
):
    """A key set may change from one algorithm to another between two readings."""
    monkeypatch.setattr("ws_gateway.doors.witness.PAUSE", 0.1)
    rsa_key = rsa.generate_private_key(65_537, 2_048)
    entry = {**RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True), "kid": "r"}
    async with serve_with(auth="jwt", auth_jwks=source.url) as live:
        keyring = live.gateway.entry.keyring
        await live.until(lambda: keyring._rested)
        source.body = json.dumps({"keys": [entry]}).encode()
        assert await code_of(live, token(rsa_key, "r", "RS256")) is None
        await live.until(lambda: keyring._rested)
        assert await code_of(live, token(ONE, "one")) == 4401


async def test_without_keys_clients_are_told_to_come_again(serve_with: Any, source: Source):
    """The gateway is not ready and says why; a token that cannot be checked is not called wrong."""
    source.status = "503 Away"
    async with serve_with(auth="jwt", auth_jwks=source.url) as live:
        await live.until(lambda: live.gateway.entry.keyring.failures)
        assert await code_of(live, token(ONE, "one")) == 4101
        assert "503" in live.gateway.health.explain()["keys"]
