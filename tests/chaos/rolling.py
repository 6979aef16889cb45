"""Restarts replicas as a Deployment does: the next one when the one before may be sent work again.

A replica is started where it was, after its predecessor has gone. A Deployment that may have one more than it
wants starts the successor first, which asks less of the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from baleen_runtime.testing import ServiceProcess

MANIFESTS = Path(__file__).resolve().parents[2] / "k8s" / "base"
READY_WITHIN = 60.0  # seconds, on a machine that others use


@dataclass(frozen=True, slots=True)
class Member:
    """A replica of a service."""

    service: str
    process: ServiceProcess

    def __str__(self) -> str:
        return f"{self.service} {self.process.name}"


@dataclass(frozen=True, slots=True)
class Restart:
    """How a replica was restarted, in seconds."""

    member: str
    code: int
    left_within: float
    ready_within: float
    grace: float

    def wrong(self) -> list[str]:
        """Say what was not as it should be."""
        wrong = [f"{self.member} ended with {self.code}"] if self.code else []
        late = self.left_within > self.grace
        return [*wrong, f"{self.member} left after {self.left_within:.1f} s"] if late else wrong

    def __str__(self) -> str:
        return f"{self.member}: left after {self.left_within:.1f} s, ready {self.ready_within:.1f} s later"


def grace_of(service: str, manifests: Path = MANIFESTS) -> float:
    """Seconds that its manifest gives a service after SIGTERM: the grace without what `preStop` takes."""
    documents = yaml.safe_load_all((manifests / f"{service}.yaml").read_text(encoding="utf-8"))
    pod = next(each["spec"]["template"]["spec"] for each in documents if each["kind"] == "Deployment")
    before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {})
    waits = float(before["command"][1]) if before else 0.0
    return float(pod["terminationGracePeriodSeconds"]) - waits


async def restart(member: Member) -> Restart:
    """Restart one; returns when it may be sent work again."""
    loop, grace = asyncio.get_running_loop(), grace_of(member.service)
    asked = loop.time()
    code = await asyncio.to_thread(member.process.leave, grace)
    gone = loop.time()
    member.process.start()
    await member.process.ready(READY_WITHIN)
    return Restart(str(member), code, gone - asked, loop.time() - gone, grace)


async def restart_in_turn(members: Sequence[Member], calm: float) -> list[Restart]:
    """Restart every one, with so many seconds of *calm* before each, and once more at the end."""
    done = []
    for member in members:
        await asyncio.sleep(calm)
        done.append(await restart(member))
        print(done[-1], flush=True)  # noqa: T201 - how far it came, if it comes no further
    await asyncio.sleep(calm)
    return done
