"""`baleen doctor`: what is wrong on this machine, and the cure for each."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path

import httpx

from baleen.errors import CannotRun
from baleen.plan import LOOPBACK, Ports, needs_simulator, not_started
from baleen.ports import OWNERS, is_free, wanted_ports
from baleen.state import known_secret, project_root, read_dotenv
from baleen.terminal import Terminal
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import AccessRefused, BusError
from baleen_bus.streams import StreamSettings, stream_configs

_FILES_WANTED = 4_096
_CLOCK_MAY_BE_OFF = 2.0
_DISK_WANTED = 2 << 30


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; *cure* says what to do about anything that is not ok."""

    verdict: Verdict
    what: str
    cure: str = ""


def doctor(terminal: Terminal) -> int:
    """Print every finding; return 1 if something is wrong, else 0."""
    try:
        root = project_root(Path.cwd())
        settings = read_dotenv(root / ".env") | dict(os.environ)
        ports = wanted_ports(settings)
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1
    return asyncio.run(_examine(root, settings, ports, terminal))


async def _examine(root: Path, settings: Mapping[str, str], ports: Ports, terminal: Terminal) -> int:
    worst = 0
    findings = [*this_machine(root), upstream(settings)]
    for finding in findings:
        worst |= _show(finding, terminal)
    passwords = _team_passwords(root, settings)
    async for finding in _running(ports, passwords, idle=not_started(settings)):
        worst |= _show(finding, terminal)
    return worst


def _show(finding: Finding, terminal: Terminal) -> int:
    colour = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}[finding.verdict]
    cure = f"\n      cure: {finding.cure}" if finding.cure else ""
    terminal.verdict(finding.verdict, colour, finding.what + cure)
    return int(finding.verdict is Verdict.FAIL)


def this_machine(root: Path) -> list[Finding]:
    """Look at what does not depend on anything running."""
    python = ".".join(map(str, sys.version_info[:3]))
    server = Path(sys.executable).with_name("nats-server")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    disk = shutil.disk_usage(root).free
    inside = Path(sys.prefix).resolve() == (root / ".venv").resolve()
    return [
        _finding(sys.version_info >= (3, 11), f"Python {python}", "install Python 3.11 or newer"),
        _finding(inside, f"running from {sys.prefix}", "use .venv/bin/baleen (`make .venv`)", mild=True),
        _finding(server.exists(), "nats-server is installed", "run `make .venv`"),
        _finding(
            files >= _FILES_WANTED,
            f"{files} open files are allowed",
            "`ulimit -n 20000` before `make up`, if thousands of clients shall connect",
            mild=True,
        ),
        _finding(disk >= _DISK_WANTED, f"{disk >> 30} GiB of disk are free", "make room, or `make clean`"),
    ]


def upstream(settings: Mapping[str, str]) -> Finding:
    """Say where data comes from; the token itself is never shown."""
    if needs_simulator(settings):
        return Finding(Verdict.OK, "no token: data is SIMULATED (UW_API_TOKEN in .env makes it live)")
    return Finding(Verdict.OK, "a token or an upstream is set: data is LIVE")


async def _running(
    ports: Ports, passwords: Sequence[str], *, idle: Collection[str]
) -> AsyncIterator[Finding]:
    wanted = [field for field in OWNERS if field not in idle]
    if all(is_free(getattr(ports, field)) for field in wanted):
        yield Finding(Verdict.OK, f"ports {', '.join(map(str, astuple(ports)))} are free")
        yield Finding(Verdict.WARN, "Baleen is not running", "`make up` starts it")
        return
    async with httpx.AsyncClient(trust_env=False, timeout=3) as http:
        for field in wanted[2:]:  # the services; the bus is looked at below
            if field == "discord" and is_free(ports.discord):
                yield Finding(Verdict.OK, "no simulated Discord: containers run without it")
                continue
            yield await _service(http, OWNERS[field][0], getattr(ports, field), OWNERS[field][1])
        yield await _clock(http, ports)
    async for finding in _bus(f"nats://{LOOPBACK}:{ports.nats}", passwords):
        yield finding


async def _service(http: httpx.AsyncClient, name: str, port: int, variable: str) -> Finding:
    url = f"http://{LOOPBACK}:{port}/readyz"
    try:
        answer = await http.get(url)
        body = answer.json()
        service, parts = body["service"], body.get("parts", {})
    except httpx.HTTPError:
        return Finding(
            Verdict.FAIL, f"{name} does not answer on port {port}", "look at its lines in `make up`"
        )
    except (ValueError, KeyError, TypeError):
        cure = f"stop that program, or set {variable}"
        return Finding(Verdict.FAIL, f"port {port}, wanted by {name}, is held by another program", cure)
    lacks = "; ".join(f"{part}: {why}" for part, why in parts.items() if why != "ok")
    return _finding(answer.is_success, f"{service} on port {port} {lacks or 'is ready'}", "see what it lacks")


async def _clock(http: httpx.AsyncClient, ports: Ports) -> Finding:
    """Compare with the server's clock: in containers and on other machines the two may differ."""
    try:
        answer = await http.get(f"http://{LOOPBACK}:{ports.monitor}/varz")
        server = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        return Finding(Verdict.WARN, "nats-server's clock cannot be read", "is its monitor port reachable?")
    off = abs(time.time() - server)
    cure = "let this machine keep its time by NTP: latencies and times of messages depend on it"
    return _finding(off < _CLOCK_MAY_BE_OFF, f"clocks agree within {max(off, 1):.0f} s", cure)


async def _bus(url: str, passwords: Sequence[str]) -> AsyncIterator[Finding]:
    """Look at the bus as the team user, with the first password it takes."""
    cure = "start it with `make up`; for a bus of another run, give its TEAM_NATS_PASSWORD"
    problem: BusError | None = None
    for password in passwords:
        try:
            async with open_bus(
                url=url, user="team", password=password, name="baleen-cli/doctor", connect_within=3
            ) as bus:
                level = (await bus.request_json("$JS.API.INFO"))["api"]["level"]
                yield Finding(Verdict.OK, f"{url} answers, JetStream API level {level}")
                yield await _streams(bus)
                return
        except AccessRefused as refused:
            problem = refused
        except BusError as error:
            problem = error
            break
    yield Finding(Verdict.FAIL, f"{url}: {problem}", cure)


def _team_passwords(root: Path, settings: Mapping[str, str]) -> list[str]:
    """Return what the team user's password may be: that of `make up`, one that was set, that of compose."""
    known = (known_secret(root / ".baleen", "team"), settings.get("TEAM_NATS_PASSWORD"), "local-team")
    return [password for password in known if password]


async def _streams(bus: Bus) -> Finding:
    cure = "`baleen-bus bootstrap` brings them to their configuration"
    missing, different = [], []
    for wanted in stream_configs(StreamSettings()):
        try:
            has = (await bus.request_json(f"$JS.API.STREAM.INFO.{wanted['name']}"))["config"]
        except BusError:
            missing.append(wanted["name"])
            continue
        if any(has.get(key) != wanted[key] for key in ("subjects", "max_msgs_per_subject", "republish")):
            different.append(wanted["name"])
    if missing or different:
        what = f"streams missing: {', '.join(missing) or 'none'}; different: {', '.join(different) or 'none'}"
        return Finding(Verdict.FAIL, what, cure)
    return Finding(Verdict.OK, f"{len(stream_configs(StreamSettings()))} streams are as they should be")


def _finding(good: bool, what: str, cure: str, *, mild: bool = False) -> Finding:
    if good:
        return Finding(Verdict.OK, what)
    return Finding(Verdict.WARN if mild else Verdict.FAIL, what, cure)
