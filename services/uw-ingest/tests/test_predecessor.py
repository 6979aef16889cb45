"""Reading what the last process left, and leaving in the middle of it."""

import asyncio

import pytest

from baleen_bus.errors import Unreachable
from uw_ingest.predecessor import _patiently


@pytest.mark.parametrize("outcome", ["an answer", "a failure"])
async def test_leaving_is_not_forgotten_when_the_answer_comes_in_the_same_moment(outcome: str):
    """The client may hand over an answer, or a lost connection, instead of the cancellation it met with."""

    async def read() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if outcome == "a failure":
                raise Unreachable("the connection was lost") from None
        return outcome

    reading = asyncio.create_task(_patiently(read), name="reading")
    await asyncio.sleep(0)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, 5)
