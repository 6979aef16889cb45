"""What the tests of the pretend Discord share: one that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from discord_simulator.testing import SimulatedDiscord


@pytest.fixture
async def discord() -> AsyncIterator[SimulatedDiscord]:
    """A pretend Discord with its default webhooks and generous limits."""
    generous = {"webhook_limit": 10_000, "channel_limit": 10_000, "global_limit": 10_000}
    async with SimulatedDiscord.in_process(**generous) as running:
        yield running
