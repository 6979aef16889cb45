"""REST calls against real servers that answer badly, late, or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from baleen_runtime.clock import SystemClock
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited, RestRefused
from uw_ingest.rest import call as rest_module
from uw_ingest.rest.call import CALL_WITHIN, SEND_WITHIN, Rest
from uw_ingest.rest.limiter import CALL_ENDS_WITHIN
from uw_ingest.rest.quota import Quota
from uw_ingest.tally import Tally


def http(status: str, body: str, **headers: str) -> bytes:
    """A raw HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", body]).encode()


@dataclass
class Asked:
    """A client, its upstream's memory, and what it counted."""

    rest: Rest
    quota: Quota
    tally: Tally
    requests: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def upstream(
    answer: bytes | None, *, allowed: Callable[[], bool] = lambda: True
) -> AsyncIterator[Asked]:
    """An upstream with one answer for everything; ``None`` keeps the caller waiting."""
    tally, quota = Tally(), Quota(None, owner="test", clock=SystemClock())

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        asked.came.set()
        if answer is None:
            await reader.read()
            asked.hung_up.set()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    asked = Asked(Rest(url, "token", quota=quota, tally=tally, allowed=allowed), quota, tally)
    async with server:
        try:
            yield asked
        finally:
            await asked.rest.aclose()


def test_a_call_is_over_before_a_successor_takes_it_for_over():
    """To send it and to wait for it take less than what a successor waits, with seconds for upstream."""
    assert SEND_WITHIN + CALL_WITHIN + 5 <= CALL_ENDS_WITHIN


async def test_a_good_answer_is_charged_and_its_headers_are_believed():
    """The body is returned, the count is upstream's."""
    answer = http("200 OK", '{"data": [1]}', x_uw_daily_req_count="41", X_Uw_Token_Req_Limit="500")
    async with upstream(answer) as asked:
        assert await asked.rest.get("/api/x", {"limit": 7}) == {"data": [1]}

    assert asked.requests[0].startswith("GET /api/x?limit=7 ")
    assert (asked.quota.budget.day_used, asked.quota.budget.day_limit) == (41, 500)
    assert asked.tally.rest_calls == {"200": 1}


@pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "{", "NaN", "\x00"])
async def test_a_good_status_without_json_is_a_failure(body: str):
    """Upstream's edge answers some outages with a page; it is counted apart, and charged as upstream does."""
    async with upstream(http("200 OK", body)) as asked:
        with pytest.raises(RestFailed, match="no JSON"):
            await asked.rest.get("/api/x")

    assert asked.tally.rest_calls == {"unreadable": 1}
    assert asked.quota.budget.day_used == 1


@pytest.mark.parametrize(
    ("answer", "error", "words", "used"),
    [
        (
            http("403 Forbidden", '{"code":"advanced_tier_required"}'),
            RestRefused,
            "advanced_tier_required",
            0,
        ),
        (http("404 Not Found", "{}"), RestRefused, "404", 0),
        (http("500 Oops", "Something went wrong"), RestFailed, "500", 0),
        (http("302 Found", "", Location="http://127.0.0.1:9/"), RestFailed, "302", 0),
        (
            http("429 Too Many", '{"message":"You have exceeded 3 concurrent requests"}'),
            RestLimited,
            "conc",
            0,
        ),
        (http("429 Too Many", '{"message":"rate limit of 120 in 60 seconds"}'), RestLimited, "minute", 0),
        (b"", RestFailed, "no answer", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", RestFailed, "no answer", 1),
    ],
)
async def test_every_bad_answer_has_its_error(answer: bytes, error: type[RestFailed], words: str, used: int):
    """What upstream answered in full and not with 200 is not charged; what broke off may have been."""
    async with upstream(answer) as asked:
        with pytest.raises(error, match=words):
            await asked.rest.get("/api/x")

    assert (asked.quota.budget.day_used, asked.quota.budget.flying) == (used, used)


async def test_a_call_that_finds_nobody_is_given_back():
    """A refused connection has cost nothing."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        quota = Quota(None, owner="test", clock=SystemClock())
        rest = Rest(f"http://127.0.0.1:{nobody.getsockname()[1]}", "token", quota=quota, tally=Tally())
        with pytest.raises(RestFailed, match="ConnectError"):
            await rest.get("/api/x")
        await rest.aclose()

    assert (quota.budget.day_used, quota.budget.flying) == (0, 0)


async def test_a_call_without_an_answer_ends_in_time_and_stays_counted(monkeypatch: pytest.MonkeyPatch):
    """Upstream may be at work on it."""
    monkeypatch.setattr(rest_module, "CALL_WITHIN", 0.1)
    async with upstream(None) as asked:
        with pytest.raises(RestFailed, match="TimeoutError"):
            await asked.rest.get("/api/x")
        await asyncio.wait_for(asked.hung_up.wait(), 5)

    assert (asked.quota.budget.day_used, asked.quota.budget.flying) == (1, 1)


async def test_a_cancelled_call_hangs_up_and_stays_counted():
    """Losing the lease cuts calls off; the successor still counts them."""
    async with upstream(None) as asked:
        call = asyncio.create_task(asked.rest.get("/api/x"), name="call")
        await asyncio.wait_for(asked.came.wait(), 5)
        call.cancel()
        await asyncio.wait_for(asked.hung_up.wait(), 5)
        await asyncio.wait({call})

    assert call.cancelled()
    assert asked.quota.budget.flying == 1


async def test_without_the_lease_nothing_is_sent():
    """The fence is asked after the reservation, right before sending."""
    async with upstream(http("200 OK", "{}"), allowed=lambda: False) as asked:
        with pytest.raises(QuotaTaken):
            await asked.rest.get("/api/x")

    assert not asked.requests
    assert asked.quota.budget.flying == 0


async def test_a_reservation_that_grew_old_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """A process that was frozen in between sends nothing late."""
    monkeypatch.setattr(rest_module, "SEND_WITHIN", 0.0)
    async with upstream(http("200 OK", "{}")) as asked:
        with pytest.raises(RestFailed, match="too old"):
            await asked.rest.get("/api/x")

    assert not asked.requests
    assert asked.quota.budget.day_used == 0
