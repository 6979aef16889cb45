"""A process that keeps one lease and says on its output what it does, each line with the time since boot.

Not a test: `test_leases_processes.py` starts it, kills it and freezes it.
"""

import asyncio
import json
import sys

from baleen_bus import Bucket, open_bus
from baleen_bus.leases import Grant, LeaseKeeper, seconds_since_boot, times_for


def say(event: str, **more: object) -> None:
    """One line."""
    print(json.dumps({"event": event, "at": seconds_since_boot(), **more}), flush=True)  # noqa: T201 - its output


def on_held(grant: Grant) -> None:
    """It may go to work."""
    say("held", epoch=grant.epoch, before=grant.before)


async def main(url: str, owner: str) -> None:
    """Contends for ever, and uses what it holds every few milliseconds."""
    async with open_bus(url=url, name=owner, connect_within=10) as bus:
        bucket = Bucket(bus, "leases")
        keeper = LeaseKeeper(
            bucket,
            "socket.1",
            owner=owner,
            times=times_for(await bucket.ttl()),
            wanted=lambda: True,
            tell=dict,
            on_held=on_held,
            on_lost=lambda reason: say("lost", reason=reason),
        )
        running = asyncio.create_task(keeper.run(), name="keeper")
        say("ready")
        while not running.done():
            at = seconds_since_boot()
            if keeper.grant is not None:
                say("used", used_at=at)
            await asyncio.sleep(0.005)
        running.result()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
