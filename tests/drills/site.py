"""The platform of a drill: what `make up` starts, as processes that can be taken away and given back.

Each process keeps its port through all its lives, and its log holds what all of them said.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx

from baleen.plan import LOOPBACK, Child, Plan, Ports
from baleen.ports import is_free
from baleen.up import local_plan
from baleen_bus.bootstrap import bootstrap

ROOT = Path(__file__).resolve().parents[2]
OURS = ("BALEEN_", "UW_", "UNUSUAL", "WS_GATEWAY_", "ALERT_BRIDGE_", "DISCORD_SIMULATOR_", "OTEL_", "NATS_")
READY_WITHIN = 240.0  # seconds; several platforms start at once, on few cores
LEFT_WITHIN = 30.0
_WELL_FOR = 65.0
DISK_MIB = 48
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
_LENT_BY_THE_KERNEL = 32_768
"""Where the ports begin that any connection may be given; a server that is away would lose its own there."""

_SMALL_DISK = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && touch "$2/mounted" && exec sleep infinity'


def until(condition: Callable[[], object], what: str | Callable[[], str], within: float) -> None:
    """Wait until the condition holds; fail with words when it does not."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.25)


class Program:
    """One process of the platform through all its lives: a command, ports and readiness as the plan has them.

    `ServiceProcess` runs modules of ours on free ports; a plan also names nats-server and Prometheus, and
    the ports that others were told of.
    """

    def __init__(self, child: Child, folder: Path) -> None:
        """Know what it is; nothing runs yet."""
        self.child = child
        self.log = folder / f"{child.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its present life."""
        assert self._process is not None, f"{self.child.name} does not run"
        return self._process.pid

    def start(self, *, ready: bool = True, **variables: str) -> None:
        """Begin a life, perhaps with other variables, and wait until it is ready unless told not to."""
        child = self.child
        ours = Path(sys.executable).with_name(child.argv[0])
        program = str(ours) if ours.exists() else child.argv[0]
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [program, *child.argv[1:]], env={**child.environ, **variables}, stdout=out, stderr=out
            )
        if ready:
            self.until_ready()

    def until_ready(self) -> None:
        """Wait until it says that it may be sent work."""

        def is_ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.child.name} ended:\n{self.tail()}"
            try:
                return httpx.get(self.child.ready_url, timeout=2, trust_env=False).is_success
            except httpx.TransportError:
                return False

        until(is_ready, lambda: f"{self.child.name} is ready:\n{self.tail()}", READY_WITHIN)

    def kill(self) -> None:
        """End it where it stands."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def leave(self) -> None:
        """Ask it to leave, and insist if it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(LEFT_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Site:
    """A platform that runs."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        """Know its programs; nothing runs yet."""
        self.plan, self.folder = plan, folder
        self.programs = {child.name: Program(child, folder) for child in plan.children}

    def __getitem__(self, name: str) -> Program:
        return self.programs[name]

    @property
    def store(self) -> Path:
        """The folder of the streams, as the bus sees it."""
        return Path(f"/proc/{self['nats-server'].pid}/root{self.plan.place.store}")

    @property
    def rules(self) -> Path:
        """The file that says who is told of which alerts."""
        return Path(self.plan.place.rules)

    @property
    def targets(self) -> Mapping[str, str]:
        """Per job of ours, where Prometheus asks."""
        ports = self.plan.ports
        at = {"uw-ingest": ports.ingest, "ws-gateway": ports.gateway, "alert-bridge": ports.bridge}
        return {job: f"{LOOPBACK}:{port}" for job, port in at.items()}

    @property
    def monitor(self) -> str:
        """Where nats-server tells of itself."""
        return f"http://{LOOPBACK}:{self.plan.ports.monitor}"

    def order(self, fault: str, **words: Any) -> None:
        """Tell the simulator to misbehave."""
        url = f"http://{LOOPBACK}:{self.plan.ports.simulator}/_sim/{fault}"
        httpx.post(url, json=words, timeout=10, trust_env=False).raise_for_status()

    def forgets_failures(self) -> bool:
        """Whether uw-ingest lost no socket yet, or has one that is open for a minute."""
        url = f"http://{LOOPBACK}:{self.plan.ports.ingest}/status"
        socket = httpx.get(url, timeout=10, trust_env=False).raise_for_status().json()["connection"]
        return bool(socket["opened_times"] == 1 or socket["connected_for_s"] > _WELL_FOR)


@contextmanager
def running_site(folder: Path, *, small_disk: bool = False) -> Iterator[Site]:
    """Start the platform on free ports and wait until it is ready; all is ended by its pid afterwards.

    Args:
        folder: where it keeps everything.
        small_disk: give the bus a file system of its own, so that it can be filled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    settings |= {"BALEEN_LOG_FORMAT": "json", "UW_SIMULATOR_RATE": "40"}
    plan = local_plan(settings, root=ROOT, folder=folder, ports=steady_ports())
    with ExitStack() as closing:
        if small_disk:
            holder = closing.enter_context(_small_disk(Path(plan.place.store)))
            plan = replace(plan, server=_on_the_disk_of(holder, plan.server))
        site = Site(plan, folder)
        for program in site.programs.values():
            closing.callback(program.leave)
        site["nats-server"].start()
        asyncio.run(bootstrap(url=plan.nats_url, user="bootstrap", password=plan.passwords["bootstrap"]))
        services = [site[child.name] for child in plan.services]
        for program in services:
            program.start(ready=False)
        for program in services:
            program.until_ready()
        yield site


def steady_ports() -> Ports:
    """Ports that nobody has now, and that no connection is given while their server is away."""
    chosen: list[int] = []
    while len(chosen) < len(fields(Ports)):
        port = random.randrange(10_000, _LENT_BY_THE_KERNEL)  # noqa: S311 - spreads, keeps no secret
        if port not in chosen and is_free(port):
            chosen.append(port)
    return Ports(*chosen)


@contextmanager
def _small_disk(store: Path) -> Iterator[int]:
    """A small file system at *store* that only the mount namespace of a process has, whose id this yields."""
    store.mkdir(parents=True, exist_ok=True)
    words = [*NAMESPACE, "sh", "-c", _SMALL_DISK, "sh", str(DISK_MIB), str(store)]
    with subprocess.Popen(words) as holder:
        try:
            mounted = Path(f"/proc/{holder.pid}/root{store}/mounted")
            until(mounted.exists, "a small file system is mounted", READY_WITHIN)
            yield holder.pid
        finally:
            holder.kill()


def _on_the_disk_of(holder: int, server: Child) -> Child:
    """The bus in another's mount namespace: it finds its store again when it is started again."""
    program = Path(sys.executable).with_name(server.argv[0])
    enter = ("nsenter", "--user", "--mount", "--preserve-credentials", "--target", str(holder))
    return replace(server, argv=(*enter, str(program), *server.argv[1:]))


def can_have_a_small_disk() -> bool:
    """Whether this machine lets us mount one."""
    words = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def as_object(text: str) -> dict[str, Any]:
    """Read an answer of a service; what is no JSON object says nothing."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
