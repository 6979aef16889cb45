"""What the runbook has somebody do to confirm an alert, and doing it: its own commands, at this platform.

A command stands there with the addresses of `docker compose up`. Only those are changed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.drills.site import ROOT, Site
from tests.drills.watching import Watcher

TEXT = (ROOT / "docs" / "runbook.md").read_text()
WITHIN = 60.0
_CURL = "curl -s --noproxy '*' --max-time 10"


def confirmations(text: str = TEXT) -> dict[str, list[str]]:
    """Per alert, the commands of its entry's second paragraph."""
    parts = re.split(r"^### (\S+)\n", text, flags=re.MULTILINE)
    found = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        confirm = body.partition("**Confirm.**")[2].partition("**Do.**")[0]
        found[name] = [word for word in re.findall(r"`([^`]+)`", confirm) if _is_command(word)]
    return found


def _is_command(words: str) -> bool:
    return re.match(r"(promql:|curl|baleen|alert-bridge|docker|kubectl|nats|df) .", words) is not None


def needs_containers(command: str) -> bool:
    """Whether it asks an engine that these processes do not run in, and not for what they wrote."""
    return bool(re.match(r"(docker compose (?!logs)|kubectl)", command))


def carried_out(command: str, site: Site, watcher: Watcher, *, port: int | None = None) -> str:
    """Do it; return what it shows, without judging whether it succeeded.

    Args:
        command: as it stands in the runbook.
        site: where.
        watcher: its Prometheus.
        port: asked instead of the command's own, as the runbook says of other services.
    """
    if port is not None:
        command = re.sub(r"localhost:\d+", f"localhost:{port}", command)
    if command.startswith("promql: "):
        return json.dumps(watcher.asked.ask(command.removeprefix("promql: ")))
    if (logs := re.fullmatch(r"docker compose logs(?: --since \d+m)? (\S+)", command)) is not None:
        name = "nats-server" if logs[1] == "nats" else logs[1]
        return site[name].log.read_text(errors="replace")
    if command.startswith("curl ") and shutil.which("curl") is None:
        pytest.skip("the runbook asks by curl, and this machine has none")
    done = subprocess.run(
        ["sh", "-c", at_home(command, site)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN,
        check=False,
        cwd=site.folder,
    )
    return f"{done.stdout}\nended with {done.returncode}"


def at_home(command: str, site: Site) -> str:
    """The same command for this platform's ports, programs and files."""
    ports = site.plan.ports
    moved = {8000: ports.gateway, 8001: ports.ingest, 8002: ports.bridge, 8222: ports.monitor}
    words = re.sub(r"localhost:(\d+)", lambda found: f"localhost:{moved[int(found[1])]}", command)
    words = words.replace("FILE", str(site.rules)).replace("curl -s", _CURL)
    program = words.split()[0]
    if (beside := Path(sys.executable).with_name(program)).exists():
        words = words.replace(program, str(beside), 1)
    if command.startswith("baleen explain"):
        words += f" --ingest http://localhost:{ports.ingest} --gateway http://localhost:{ports.gateway}"
    return words
