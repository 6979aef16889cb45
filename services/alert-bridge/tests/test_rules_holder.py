"""Rules that change while they are in force: taken up whole, or not at all."""

# ruff: noqa: ASYNC240 - the test is whoever writes the file, and nobody else waits on this loop

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.document import MAX_BYTES
from alert_bridge.rules.holder import RulesHolder, secrets_of

SECRET = "https://discord.com/api/webhooks/123456789012345678/s3cret-token-of-the-desk"
DESK = 'destinations:\n  desk: {type: discord, url: "${URL}"}\n'
ROUTE = "routes:\n  - {name: all, to: desk}\n"
BROKEN = DESK + "routes:\n  - {name: all, to: dsek}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound file."""
    path = tmp_path / "rules.yml"
    path.write_text(DESK + ROUTE)
    return path


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[RulesHolder]:
    """A holder that looks all the time."""
    holder, stop = RulesHolder(path, {"URL": SECRET}, look_every=0.005), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(holder.watch(stop), name="watch")
        yield holder
        stop.set()


async def until(reached: Callable[[], bool]) -> None:
    """Wait for something that the holder does."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - it is told by no event
            await asyncio.sleep(0.002)


async def test_a_changed_file_is_taken_up_and_everybody_is_told(path: Path):
    """Who no longer wants to know is not told."""
    told: list[str] = []
    async with watched(path) as holder:
        before = holder.rules
        holder.on_change(lambda: told.append("one"))
        forget = holder.on_change(lambda: told.append("other"))
        forget()
        path.write_text(DESK + ROUTE.replace("all", "everything"))
        await until(lambda: holder.rules is not before)

        assert [route.name for route in holder.rules.routes] == ["everything"]
        await until(lambda: told == ["one"])
        assert holder.problem is None


async def test_a_broken_file_keeps_the_old_rules_and_says_so_once(path: Path):
    """With every line that is wrong; when it is mended, that is over."""
    with structlog.testing.capture_logs() as logs:
        async with watched(path) as holder:
            before = holder.rules
            path.write_text(BROKEN)
            await until(lambda: holder.problem is not None)
            for _ in range(20):
                await asyncio.sleep(0.005)  # looks that must not say it again

            assert holder.rules is before
            assert holder.problem == (
                "rules.yml:4: routes[0].to: no destination is called so; did you mean desk?"
            )
            path.write_text(DESK + ROUTE)
            await until(lambda: holder.problem is None)
            assert holder.rules == before

    assert [line["problems"] for line in logs if line["log_level"] == "error"] == [
        ["rules.yml:4: routes[0].to: no destination is called so; did you mean desk?"]
    ]


@pytest.mark.parametrize("destroyed", ["gone", "empty", "binary", "huge"])
async def test_a_file_that_is_no_more_what_it_was_changes_nothing(path: Path, destroyed: str):
    """Gone, emptied, of bytes that are no text, or too large."""
    async with watched(path) as holder:
        before = holder.rules
        if destroyed == "gone":
            path.unlink()
        else:
            path.write_bytes(
                {"empty": b"", "binary": b"\xff\xfe\x00", "huge": b"a: " + b"x" * MAX_BYTES}[destroyed]
            )
        await until(lambda: holder.problem is not None)

        assert holder.rules is before
        path.write_text(DESK)
        await until(lambda: holder.problem is None)
        assert holder.rules.routes == ()


async def test_half_a_file_is_taken_up_by_nobody(path: Path):
    """A file that grows at every look is not judged until it rests."""
    taken: list[tuple[str, ...]] = []
    async with watched(path) as holder:
        holder.on_change(lambda: taken.append(tuple(route.name for route in holder.rules.routes)))
        with path.open("w") as file:
            file.write(DESK + "routes:\n")
            for number in range(60):
                file.write(f"  - {{name: r{number}, to: desk, types: t}}\n")
                file.flush()
                await asyncio.sleep(0.001)
        await until(lambda: bool(taken))
        await until(lambda: len(holder.rules.routes) == 60)


async def test_a_mounted_folder_of_links_is_followed(tmp_path: Path):
    """As Kubernetes changes a ConfigMap: another folder behind the same name."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yml").write_text(DESK + ROUTE.replace("all", name))
    (tmp_path / "data").symlink_to("one")
    path = tmp_path / "rules.yml"
    path.symlink_to("data/rules.yml")
    async with watched(path) as holder:
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(tmp_path / "data")

        await until(lambda: holder.rules.routes[0].name == "two")


async def test_a_secret_that_is_rotated_in_its_file_is_taken_up(path: Path, tmp_path: Path):
    """The rules file itself did not change; a missing secret is waited for."""
    secret = tmp_path / "url"
    secret.write_text(SECRET)
    path.write_text(f"destinations:\n  desk: {{type: discord, url: 'file:{secret}'}}\n")
    async with watched(path) as holder:
        secret.unlink()
        await until(lambda: holder.problem is not None)
        assert "FileNotFoundError" in str(holder.problem)
        secret.write_text(SECRET + "-2")
        await until(lambda: holder.problem is None)

        assert holder.rules.destinations["desk"].url.get_secret_value() == SECRET + "-2"


def test_a_broken_file_at_the_start_is_refused(path: Path):
    """There are no older rules to keep, and telling nobody in silence is not what was asked."""
    path.write_text(BROKEN)
    with pytest.raises(RulesUnreadable, match="did you mean desk"):
        RulesHolder(path, {"URL": SECRET})
    with pytest.raises(RulesUnreadable, match="cannot be read: FileNotFoundError"):
        RulesHolder(path.with_name("other.yml"), {})


async def test_a_running_bridge_takes_up_rules_and_says_when_they_are_wrong(
    bridge_with: Callable[..., Any], path: Path
):
    """It stays ready, since it goes on by the rules before; readiness and a metric say it."""
    path.write_text("destinations: {}\n")
    async with bridge_with(rules=path) as bridge:
        await bridge.until_ready()
        assert await bridge.metric("baleen_alert_bridge_rules_valid") == 1

        path.write_text("rutes: []\n")
        async with asyncio.timeout(20):
            while await bridge.metric("baleen_alert_bridge_rules_valid"):  # noqa: ASYNC110 - over a socket
                await asyncio.sleep(0.05)
        answer = await bridge.client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["parts"]["rules"] == (
            "as they were before: rules.yml:1: rutes: is not known here; did you mean routes?"
        )

        path.write_text("destinations: {}\n")
        async with asyncio.timeout(20):
            while not await bridge.metric("baleen_alert_bridge_rules_valid"):  # noqa: ASYNC110 - over a socket
                await asyncio.sleep(0.05)
        assert (await bridge.client.get("/readyz")).json()["parts"]["rules"] == "ok"


async def test_a_bridge_does_not_start_by_wrong_rules(bridge_with: Callable[..., Any], path: Path):
    """What is wrong with them is its last word."""
    path.write_text(BROKEN.replace("${URL}", SECRET))
    with pytest.raises(RulesUnreadable, match="did you mean desk"):
        async with bridge_with(rules=path):
            pass


async def test_without_a_file_there_are_no_rules():
    """And nothing to look at."""
    holder = RulesHolder(None, {})

    await holder.watch(asyncio.Event())
    assert (holder.rules.version, holder.rules.destinations, holder.problem) == ("none", {}, None)


def test_every_part_of_a_url_that_could_let_somebody_in_is_a_secret(tmp_path: Path):
    """The whole, the token at its end, a password, and what stands after the question mark."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "destinations:\n"
        "  desk: {type: discord, url: '${URL}'}\n"
        "  pager: {type: apprise, url: 'json://ann:hunter22@pager.test/?key=abcdef'}\n"
    )
    found = set(secrets_of(RulesHolder(path, {"URL": SECRET}).rules))

    assert {SECRET, "s3cret-token-of-the-desk", "hunter22", "key=abcdef"} <= found
