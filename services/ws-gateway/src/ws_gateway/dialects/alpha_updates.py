"""What Alpha Terminal's later channels say: `{type, symbol, data, timestamp}`, from contract messages. Pure.

`data` is the contract message, and what of the widgets' own words it can give: a print, the total exposure, a
row of unusual activity. What one message does not tell, such as levels or ratios of a day, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dark_pool_update(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the update of a print; `side` is there only where the print stood at one side of the quote."""
    row = {"price": trade["price"], "volume": trade["size"], "timestamp": trade["occurred_at"]}
    return _update("DP_UPDATE", trade, prints=[{**row, **_side(trade)}])


def gamma_update(gex: Mapping[str, Any]) -> dict[str, Any]:
    """Return the update of an exposure, in dollars per 1 % move; its sign is the regime."""
    total, price = gex.get("gamma_oi"), gex.get("price")
    more: dict[str, Any] = {}
    if total is not None:
        more |= {"total_gex": total, "current_regime": "POSITIVE" if total >= 0 else "NEGATIVE"}
    if price is not None:
        more["current_price"] = price
    return _update("GAMMA_UPDATE", gex, **more)


def options_flow_update(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return the update of a flow alert; it is a row only if all numbers of a row are known."""
    row = _unusual(alert)
    rows = [] if row is None else [row]
    sweeps = rows if alert.get("has_sweep") else []
    return _update("OPTIONS_FLOW_UPDATE", alert, unusual_activity=rows, sweeps=sweeps)


def divergence_alert(alert: Mapping[str, Any], embed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the alert of a divergence with the *embed* that tells it."""
    return _update("DIVERGENCE_ALERT", alert, embed=embed)


def health_update(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a feed stands; it is of no ticker."""
    return _update("HEALTH_UPDATE", status)


def is_about(word: str, alert: Mapping[str, Any]) -> bool:
    """Return whether *word* is one of those that the type of *alert* is made of, as in `dp_divergence`."""
    return word in alert["alert_type"].lower().split("_")


def _update(kind: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "symbol": body.get("symbol"), "data": {**body, **more}}


def _side(trade: Mapping[str, Any]) -> dict[str, str]:
    price, bid, ask = trade["price"], trade.get("nbbo_bid"), trade.get("nbbo_ask")
    bought = ask is not None and price >= ask
    sold = bid is not None and price <= bid
    if bought is sold:
        return {}
    return {"side": "BUY" if bought else "SELL"}


def _unusual(alert: Mapping[str, Any]) -> dict[str, Any] | None:
    volume, held, price = alert.get("volume"), alert.get("open_interest"), alert.get("price")
    if volume is None or price is None or not held:
        return None
    return {
        "symbol": alert["symbol"],
        "strike": alert["strike"],
        "expiration": alert["expiry"],
        "option_type": alert["option_type"].upper(),
        "volume": volume,
        "open_interest": held,
        "volume_oi_ratio": alert.get("volume_oi_ratio", volume / held),
        "last_price": price,
        "reason": alert.get("rule", "flow alert"),
    }
