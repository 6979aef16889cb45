"""A client of the control endpoint, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx


class SimulatorControl:
    """Makes a running simulator misbehave, and asks what it saw.

    Args:
        base_url: such as ``http://127.0.0.1:8010``.
        timeout: seconds to wait for an answer; a burst answers when it is over.
    """

    def __init__(self, base_url: str, *, timeout: float = 120) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def state(self) -> dict[str, Any]:
        """Return connections, accounts, what was sent, counters, violations and the plan."""
        return await self._ask("GET", "state")

    async def history(self) -> dict[str, Any]:
        """Return every `socket` with its times, and each of the `violations` with its moment and in words."""
        return await self._ask("GET", "history")

    async def violations(self) -> dict[str, int]:
        """Return how often each limit was exceeded."""
        told: dict[str, int] = (await self.state())["violations"]
        return told

    async def drop(self, *, code: int | None = None, connection: int | None = None) -> None:
        """Hang up on one connection or all: without a word, or with a close code."""
        await self._ask("POST", "drop", code=code, connection=connection)

    async def mute(self, on: bool = True, *, connection: int | None = None) -> None:
        """Send no data; pings and joins are answered."""
        await self._ask("POST", "mute", on=on, connection=connection)

    async def half_open(self, on: bool = True, *, connection: int | None = None) -> None:
        """Neither send nor read, with the connection left open."""
        await self._ask("POST", "half-open", on=on, connection=connection)

    async def refuse(
        self, count: int = 1, *, seconds: float = 0.0, status: int = 503, body: str = ""
    ) -> None:
        """Refuse the next handshakes, and every one for so many seconds."""
        await self._ask("POST", "refuse", count=count, seconds=seconds, status=status, body=body)

    async def close_after_accept(self, count: int = 1) -> None:
        """Close the next sockets cleanly right after they are accepted."""
        await self._ask("POST", "close-after-accept", count=count)

    async def swallow_joins(self, count: int = 1, *, channel: str | None = None, acked: bool = False) -> None:
        """Lose the next joins, of any channel or of one; *acked*: only the data stays away."""
        await self._ask("POST", "swallow-joins", count=count, channel=channel, acked=acked)

    async def hush(self, channel: str, on: bool = True) -> None:
        """Let a channel fall silent while others go on."""
        await self._ask("POST", "hush", channel=channel, on=on)

    async def block_agents(self, *agents: str) -> None:
        """Give 403 `error code: 1010` to User-Agents that begin so; without any: as the setting says."""
        await self._ask("POST", "block-agents", agents=agents or None)

    async def duplicate(self, count: int = 1) -> None:
        """Send the next data frames twice."""
        await self._ask("POST", "duplicate", count=count)

    async def lag(self, *, drop_share: float = 0.0, delay: float = 0.0) -> None:
        """Lose a share of the data frames and send everything *delay* seconds late."""
        await self._ask("POST", "lag", drop_share=drop_share, delay=delay)

    async def garbage(
        self, kind: str, *, count: int = 1, connection: int | None = None, size: int = 20_000_000
    ) -> None:
        """Send bad frames of a kind named in `faults.Garbage`."""
        await self._ask("POST", "garbage", kind=kind, count=count, connection=connection, size=size)

    async def say(self, channel: str, payload: dict[str, Any], *, ticker: str | None = None) -> None:
        """Send a record to whoever joined its channel, for all or for *ticker*."""
        await self._ask("POST", "say", channel=channel, payload=payload, ticker=ticker)

    async def say_text(self, text: str, *, connection: int | None = None) -> None:
        """Send a literal text frame."""
        await self._ask("POST", "say", text=text, connection=connection)

    async def burst(
        self, channel: str = "option_trades", *, count: int, rate: float = 50_000, ticker: str = "SPY",
        wait: bool = True, lossless: bool = True, prepared: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Send exactly *count* frames and return how that went."""
        return await self._ask(
            "POST",
            "burst",
            channel=channel,
            count=count,
            rate=rate,
            ticker=ticker,
            wait=wait,
            lossless=lossless,
            prepared=prepared,
        )

    async def rest_fault(
        self, count: int = 1, *, seconds: float = 0.0, status: int = 502, body: str = "Something went wrong",
        content_type: str = "text/plain", delay: float = 0.0, path: str = "", charged: bool = False,
    ) -> None:  # fmt: skip
        """Answer the next REST requests with this, or all for some seconds; *delay* makes every answer late.

        *path* narrows it to requests that begin so. *charged* lets it pass the accounts, as upstream's own.
        """
        await self._ask(
            "POST", "rest", count=count, seconds=seconds, status=status, body=body,
            content_type=content_type, delay=delay, path=path, charged=charged,
        )  # fmt: skip

    async def rest_limited(
        self, kind: str = "minute", count: int = 1, *, seconds: float = 0.0, path: str = ""
    ) -> None:
        """Refuse the next REST requests in upstream's words for `in_flight`, `minute` or `day`."""
        await self._ask("POST", "rest", count=count, seconds=seconds, path=path, limit=kind)

    async def spend(self, requests: int) -> None:
        """Let another program on the same key make so many requests at once."""
        await self._ask("POST", "spend", requests=requests)

    async def exhaust(self, scope: str = "day") -> None:
        """Use up the quota of the `day` or the `minute`."""
        await self._ask("POST", "exhaust", scope=scope)

    async def limits(self, **figures: float | bool | None) -> None:
        """Change figures of the plan.

        They are sockets, mute_second, over_code, joins, leave_ignored, websocket, in_flight, per_minute,
        per_day, others_in_flight and others_per_minute.
        """
        await self._ask("POST", "limits", **figures)

    async def replay(
        self, *files: Path, speed: float = 1.0, once: bool = True, verbatim: bool = False, wait: bool = True
    ) -> None:
        """Play a recording instead of the sources; *wait*: begin when somebody has joined a channel."""
        paths = [str(file) for file in files]
        await self._ask("POST", "replay", files=paths, speed=speed, once=once, verbatim=verbatim, wait=wait)

    async def replaying(self) -> dict[str, Any]:
        """Return the `state` of the replay (none, waiting, playing, done) and how many frames it `played`."""
        return await self._ask("GET", "replay")

    async def stop_replay(self) -> None:
        """Play the recording no more; the sources go on."""
        await self._ask("POST", "replay/stop")

    async def pause(self, on: bool = True) -> None:
        """Silence the sources; bursts, acks and `say` go on."""
        await self._ask("POST", "pause", on=on)

    async def reset(self) -> None:
        """Disarm every fault and forget violations and counters; connections stay."""
        await self._ask("POST", "reset")

    async def _ask(self, method: str, order: str, **body: Any) -> dict[str, Any]:
        response = await self._http.request(method, f"/_sim/{order}", json=body if method == "POST" else None)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
