"""Flow alerts, from the socket and from REST, which spell half of the fields differently. Pure."""

from datetime import datetime

from baleen_contracts.flow_alert import FlowAlert
from uw_ingest.errors import Refused
from uw_ingest.normalize.row import Row, moment, occ, unblank
from uw_ingest.refusals import Refusal


def flow_alert(row: Row, received_at: datetime, _ticker: str | None = None) -> FlowAlert:
    """Turn one flow alert into a contract message; the OCC symbol says what the alert is about."""
    get = unblank(row).get
    option = occ(get("option_chain"))
    if get("id") is None:
        raise Refused(Refusal.NO_IDENTITY)
    return FlowAlert.model_validate(
        {
            "id": get("id"),
            "occurred_at": get("executed_at") or get("end_time") or get("created_at"),
            "received_at": received_at,
            "symbol": get("ticker"),
            "option_symbol": get("option_chain"),
            "expiry": option.expiry,
            "option_type": option.option_type,
            "strike": option.strike,
            "premium": get("total_premium"),
            "ask_side_premium": get("total_ask_side_prem"),
            "bid_side_premium": get("total_bid_side_prem"),
            "size": get("total_size"),
            "price": get("price"),
            "bid": get("bid"),
            "ask": get("ask"),
            "underlying_price": get("underlying_price"),
            "rule": get("rule_name") or get("alert_rule"),
            "rule_id": get("rule_id"),
            "trade_count": get("trade_count"),
            "expiry_count": get("expiry_count"),
            "volume": get("volume"),
            "open_interest": get("open_interest"),
            "volume_oi_ratio": get("volume_oi_ratio"),
            "started_at": get("start_time"),
            "ended_at": get("end_time"),
            "recorded_at": moment(get("created_at")),
            "has_sweep": get("has_sweep"),
            "has_floor": get("has_floor"),
            "has_multi_leg": get("has_multileg"),
            "has_single_leg": get("has_singleleg"),
            "all_opening_trades": get("all_opening_trades"),
            "ask_volume": get("ask_vol"),
            "bid_volume": get("bid_vol"),
            "mid_volume": get("mid_vol"),
            "no_side_volume": get("no_side_vol"),
            "multi_leg_volume": get("multi_vol"),
            "stock_multi_leg_volume": get("stock_multi_vol"),
            "implied_volatility": get("iv"),
            "implied_volatility_start": get("iv_start"),
            "implied_volatility_end": get("iv_end"),
            "delta": get("delta"),
            "gamma": get("gamma"),
            "theta": get("theta"),
            "vega": get("vega"),
            "rho": get("rho"),
            "trade_ids": get("trade_ids") or (),
            "trade_codes": get("upstream_condition_details") or (),
            "exchanges": get("exchanges") or (),
            "sector": get("sector"),
            "issue_type": get("issue_type"),
            "market_cap": get("marketcap"),
            "next_earnings_date": get("next_earnings_date"),
            "earnings_time": get("er_time"),
        }
    )
