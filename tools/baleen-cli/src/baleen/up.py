"""`baleen up`: everything on this machine, until somebody says stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from baleen.errors import CannotRun
from baleen.greeting import greeting
from baleen.launch import running
from baleen.leaving import until_asked_to_leave
from baleen.plan import LOOPBACK, Place, Plan, Ports, make_plan, not_started
from baleen.ports import free_ports, require_free, seed_ports, wanted_ports
from baleen.pretence import rules_for_pretence
from baleen.state import NATS_CONFIG, kept_secrets, local_webhook, project_root, read_dotenv, state_folder
from baleen.terminal import Terminal
from baleen_bus.permissions import PASSWORD_VARIABLES


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line said.

    Attributes:
        folder: where state is kept; None: `.baleen` in the checkout.
        any_ports: take free ports instead of the usual ones.
        leave_with: end when this process does.
    """

    folder: Path | None = None
    any_ports: bool = False
    leave_with: int | None = None


def up(options: UpOptions, terminal: Terminal) -> int:
    """Run until asked to leave; return the exit code."""
    try:
        root = project_root(Path.cwd())
        with state_folder(options.folder or root / ".baleen") as folder:
            settings = read_dotenv(root / ".env") | dict(os.environ)
            ports = free_ports() if options.any_ports else wanted_ports(settings)
            require_free(ports, idle=not_started(settings))
            also, missed = ((), ()) if options.any_ports else seed_ports(ports, settings)
            plan = local_plan(settings, root=root, folder=folder, ports=ports, also_listen=also)
            staying = _stay_up(plan, missed, terminal)
            return asyncio.run(until_asked_to_leave(staying, terminal, leave_with=options.leave_with))
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1


def local_plan(
    settings: Mapping[str, str], *, root: Path, folder: Path, ports: Ports, also_listen: tuple[int, ...] = ()
) -> Plan:
    """Return the plan for this machine, with the secrets that *folder* keeps."""
    sources = settings.get("ALERT_BRIDGE_SOURCES") or str(folder.resolve() / "sources.json")
    place = Place(
        store=str(folder.resolve() / "nats"),
        nats_config=str(root / NATS_CONFIG),
        sources=sources,
        webhook=local_webhook(sources, f"http://{LOOPBACK}:{ports.bridge}"),
        rules=str(folder.resolve() / "rules.yaml"),
    )
    Path(place.rules).write_text(rules_for_pretence(ports.discord), encoding="utf-8")
    passwords = kept_secrets(folder, list(PASSWORD_VARIABLES))
    return make_plan(settings, ports=ports, place=place, passwords=passwords, also_listen=also_listen)


async def _stay_up(plan: Plan, missed: tuple[int, ...], terminal: Terminal) -> int:
    async with running(plan, terminal) as children:
        terminal.plain(greeting(plan, missed))
        while True:
            await children.alive_for(3600)
