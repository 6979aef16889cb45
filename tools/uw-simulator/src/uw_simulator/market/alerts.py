"""Flow alerts: fills on one contract within half a second, and the two ways upstream tells of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from uw_simulator.market.chance import Chance
from uw_simulator.market.contracts import Contract, cents
from uw_simulator.market.tape import Manner, Print, Side, Tape, manner_with

_RULES = {
    "RepeatedHits": "e6b9f0b6-fcd9-44fe-9d1c-f53521c152c3",
    "RepeatedHitsAscendingFill": "a14b4ecc-5f9c-4d3c-8a2b-0c58f3c6b3a1",
    "RepeatedHitsDescendingFill": "5ce5ec11-087c-4c00-b164-08106b015856",
    "FloorTradeLargeCap": "d9769fb4-003b-49e4-9181-c78c9cc101f5",
    "SweepsFollowedByFloor": "7b0a2a53-2a39-4d7f-9d3a-6a2f0b6f9c11",
}
_UNNAMED_RULE = "c3c1f1e0-8d1b-4b43-a6a5-3f1f6f0a7e55"  # its name is null
_WINDOW_MS = 520
_LONGEST_LEG = 60


@dataclass(frozen=True, slots=True)
class Alert:
    """One flow alert with the prints that caused it."""

    ticker: str
    prints: list[bytes]
    payload: bytes
    """As the socket tells it."""


def raise_alert(tape: Tape, contract: Contract, chance: Chance, *, identity: str, now_ms: int) -> Alert:
    """Let a burst of fills happen on *contract*, all within half a second before *now_ms*, and tell of it."""
    window = chance.randint(0, _WINDOW_MS)
    code = chance.choices(("auto", "slan", "isoi", "slft", "mlet"), weights=(40, 25, 22, 5, 8))[0]
    count = min(_LONGEST_LEG, 5 + int(chance.expovariate(1 / 4)))
    side = Side.ASK if chance.random() < 0.7 else Side.BID  # noqa: PLR2004 - alerts favour buyers
    exchanges = chance.sample(("XCBO", "MPRL", "ARCO", "XISX", "EMLD", "BATO"), 3)
    before = contract.volume
    fills: list[tuple[Manner, Print]] = []
    for n in range(count):
        at_ms = window - window * n // max(1, count - 1)  # how long before the end of the window
        leg = side if chance.random() < 0.9 else Side.MID  # noqa: PLR2004 - a few fills improve on the price
        manner = manner_with(
            code, side=leg, size=max(1, int(chance.lognormvariate(2.6, 1))), exchange=exchanges[n % 3],
            late_ms=60 + at_ms,
        )  # fmt: skip
        fills.append((manner, tape.fill(contract, manner, now_ms)))
    told = _told(contract, fills, identity=identity, now_ms=now_ms, before=before)
    told["rule_name"], told["rule_id"] = _rule([fill.price for _, fill in fills], code, chance)
    return Alert(
        contract.stock.listing.symbol,
        [fill.payload for _, fill in fills],
        orjson.dumps(told),
    )


def _told(
    contract: Contract, fills: list[tuple[Manner, Print]], *, identity: str, now_ms: int, before: int
) -> dict[str, Any]:
    end_ms = now_ms - fills[-1][0].late_ms
    sums = {side: sum(fill.premium for _, fill in fills if fill.side is side) for side in Side}
    opening, seen = True, before
    for manner, _ in fills:
        opening = opening and manner.size > contract.interest - seen
        seen += manner.size
    codes = sorted({manner.code for manner, _ in fills})
    multi = any(manner.multi for manner, _ in fills)
    return {
        "rule_id": "", "rule_name": None, "ticker": contract.stock.listing.symbol,
        "option_chain": contract.option_symbol, "underlying_price": float(contract.stock.level),
        "volume": contract.volume, "total_size": sum(manner.size for manner, _ in fills),
        "total_premium": sum(sums.values()) / 100, "total_ask_side_prem": sums[Side.ASK] / 100,
        "total_bid_side_prem": sums[Side.BID] / 100, "start_time": now_ms - fills[0][0].late_ms,
        "end_time": end_ms, "url": "", "price": fills[-1][1].price / 100, "has_multileg": multi,
        "has_sweep": any(manner.sweep for manner, _ in fills),
        "has_floor": any(manner.floor for manner, _ in fills), "open_interest": contract.interest,
        "all_opening_trades": opening, "id": identity, "has_singleleg": not multi,
        "volume_oi_ratio": contract.volume / contract.interest if contract.interest else 0,
        "trade_ids": [fill.id for _, fill in fills], "trade_count": len(fills), "expiry_count": 1,
        "executed_at": end_ms, "ask_vol": contract.ask_vol, "bid_vol": contract.bid_vol,
        "no_side_vol": contract.no_side_vol, "mid_vol": contract.mid_vol, "multi_vol": contract.multi_vol,
        "stock_multi_vol": contract.stock_multi_vol, "upstream_condition_details": codes,
        "exchanges": sorted({manner.exchange for manner, _ in fills}), "bid": cents(contract.bid),
        "ask": cents(contract.ask),
    }  # fmt: skip


def _rule(prices: list[int], code: str, chance: Chance) -> tuple[str | None, str]:
    if chance.random() < 0.08:  # noqa: PLR2004 - some rules have no name
        return None, _UNNAMED_RULE
    if code == "slft":
        name = "FloorTradeLargeCap"
    elif prices == sorted(prices) and prices[-1] > prices[0]:
        name = "RepeatedHitsAscendingFill"
    elif prices == sorted(prices, reverse=True) and prices[-1] < prices[0]:
        name = "RepeatedHitsDescendingFill"
    else:
        name = "RepeatedHits"
    return name, _RULES[name]
