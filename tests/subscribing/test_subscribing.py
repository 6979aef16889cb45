"""What another team copies from docs/subscribing.md does what it says, as the user it gets."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg

from baleen_bus import Publisher, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.catalogue import by_name, entity_of, example

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "subscribing.md"
SAID_WITHIN = 60.0
ALERT = by_name("flow_alert")


def snippet(language: str) -> str:
    """Return the document's one block in a language."""
    (block,) = re.findall(
        rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    return str(block)


def made(command: Sequence[str], folder: Path) -> None:
    """Run a step that makes a program."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def publishing(server: NatsServer) -> AsyncIterator[Publisher]:
    """Publish as uw-ingest does."""
    async with (
        open_bus(url=server.url, name="test", connect_within=10, **server.credentials("uw-ingest")) as bus,
        Publisher(bus, source="test") as publisher,
    ):
        yield publisher


async def publish(publisher: Publisher, premium: int) -> int:
    """Publish a flow alert that nobody published yet; return its number in the stream."""
    message = ALERT.model.model_validate({**example(ALERT), "id": f"alert-{premium}", "premium": premium})
    return (await publisher.publish(message)).seq


async def hears(command: Sequence[str | Path], server: NatsServer, folder: Path) -> None:
    """Prove that a program reads on from a number, and hears what comes then."""
    environ = {
        **os.environ,
        "BALEEN_NATS_URL": server.url,
        "TEAM_NATS_PASSWORD": server.credentials("team")["password"],
    }
    async with publishing(server) as publisher:
        numbers = [await publish(publisher, premium) for premium in (1000, 2000, 3000)]
        process = await asyncio.create_subprocess_exec(
            *command, str(numbers[1]), cwd=folder, env=environ, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SAID_WITHIN):
                said = [(await process.stdout.readline()).split() for _ in numbers[1:]]
                numbers.append(await publish(publisher, 4000))
                said.append((await process.stdout.readline()).split())
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    assert [int(number) for number, _, _ in said] == numbers[1:]
    assert [float(premium) for _, _, premium in said] == [2000, 3000, 4000]


async def test_python(nats_server_with_users: NatsServer, tmp_path: Path):
    """The program reads from the number on that it was told, and then what comes."""
    (tmp_path / "subscribing.py").write_text(snippet("python"))

    await hears([sys.executable, "subscribing.py"], nats_server_with_users, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_go(nats_server_with_users: NatsServer, tmp_path: Path):
    """The same in Go, with the versions pinned beside this test."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    (tmp_path / "main.go").write_text(snippet("go"))
    for pinned in ("go.mod", "go.sum"):
        shutil.copy(HERE / pinned, tmp_path)
    made(["go", "build", "-mod=readonly", "-o", "subscribing", "."], tmp_path)

    await hears([tmp_path / "subscribing"], nats_server_with_users, tmp_path)


@pytest.mark.node
@pytest.mark.timeout(300)
async def test_typescript(nats_server_with_users: NatsServer, tmp_path: Path):
    """The same in TypeScript: it compiles strictly, and Node runs what comes out."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    (tmp_path / "subscribing.ts").write_text(snippet("ts"))
    for pinned in ("package.json", "package-lock.json"):
        shutil.copy(HERE / pinned, tmp_path)
    made(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], tmp_path)
    strictly = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"]
    made(["node_modules/.bin/tsc", *strictly, "subscribing.ts"], tmp_path)

    await hears(["node", "subscribing.js"], nats_server_with_users, tmp_path)


async def test_the_command_names_what_the_user_may_hear(nats_server_with_users: NatsServer):
    """What `nats sub` is told to hear is heard by that user, and is no user's invention."""
    words = shlex.split(snippet("sh"))
    subject, user = words[-1], words[words.index("--user") + 1]
    heard: asyncio.Queue[Msg] = asyncio.Queue()
    server = nats_server_with_users
    bus = await nats.connect(server.url, **server.credentials(user))
    try:
        await bus.subscribe(subject, cb=heard.put)
        await bus.flush()
        async with publishing(server) as publisher:
            number = await publish(publisher, 5000)
        message = await asyncio.wait_for(heard.get(), 10)
    finally:
        await bus.close()

    assert entity_of(message.subject) is ALERT
    assert message.headers is not None
    assert (message.headers["Nats-Stream"], message.headers["Nats-Sequence"]) == ("TAPE", str(number))


async def test_a_program_that_hears_another_thing_is_found_out(
    nats_server_with_users: NatsServer, tmp_path: Path
):
    """The proof above fails for a program that begins at another number."""
    begins = "opt_start_seq=first"
    text = snippet("python")
    assert begins in text
    (tmp_path / "subscribing.py").write_text(text.replace(begins, f"{begins} - 1"))

    with pytest.raises(AssertionError):
        await hears([sys.executable, "subscribing.py"], nats_server_with_users, tmp_path)
