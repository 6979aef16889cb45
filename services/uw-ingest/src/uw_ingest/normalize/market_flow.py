"""Sums over option flow: of the market, of a ticker, of an interval. Pure."""

from datetime import datetime

from baleen_contracts.market_flow import IntervalFlow, MarketTide, NetFlow
from uw_ingest.normalize.row import Row, unblank

_INTERVALS = {"All": "all", "OtmOnly": "otm_only"}


def market_tide(row: Row, received_at: datetime, _ticker: str | None = None) -> MarketTide:
    """Turn a two-second increment of the market's net flow into a contract message."""
    get = unblank(row).get
    return MarketTide.model_validate(
        {
            "occurred_at": get("timestamp"),
            "received_at": received_at,
            "net_call_premium": get("net_call_premium"),
            "net_put_premium": get("net_put_premium"),
            "net_volume": get("net_volume"),
            "otm_net_call_premium": get("otm_net_call_premium"),
            "otm_net_put_premium": get("otm_net_put_premium"),
            "otm_net_volume": get("otm_net_volume"),
        }
    )


def net_flow(row: Row, received_at: datetime, ticker: str | None = None) -> NetFlow:
    """Turn a two-second increment of a ticker's net flow into a contract message."""
    get = unblank(row).get
    return NetFlow.model_validate(
        {
            "occurred_at": get("time"),
            "received_at": received_at,
            "symbol": get("ticker") or ticker,
            "net_call_premium": get("net_call_prem"),
            "net_put_premium": get("net_put_prem"),
            "net_call_volume": get("net_call_vol"),
            "net_put_volume": get("net_put_vol"),
        }
    )


def interval_flow(row: Row, received_at: datetime, _ticker: str | None = None) -> IntervalFlow:
    """Turn a window's flow, as far as it has filled, into a contract message."""
    get = unblank(row).get
    kind = get("interval_type")
    return IntervalFlow.model_validate(
        {
            "occurred_at": get("tape_time"),
            "received_at": received_at,
            "symbol": get("ticker"),
            "interval_type": _INTERVALS.get(kind, kind) if isinstance(kind, str) else kind,
            "started_at": get("start_time"),
            "call_volume": get("call_vol"),
            "put_volume": get("put_vol"),
            "transactions": get("transactions"),
            "call_ask_volume": get("call_vol_ask_side"),
            "call_bid_volume": get("call_vol_bid_side"),
            "call_neutral_volume": get("call_vol_neutral_side"),
            "put_ask_volume": get("put_vol_ask_side"),
            "put_bid_volume": get("put_vol_bid_side"),
            "put_neutral_volume": get("put_vol_neutral_side"),
            "call_sweep_volume": get("call_sweep_vol"),
            "put_sweep_volume": get("put_sweep_vol"),
            "call_floor_volume": get("call_floor_vol"),
            "put_floor_volume": get("put_floor_vol"),
            "call_cross_volume": get("call_cross_vol"),
            "put_cross_volume": get("put_cross_vol"),
            "call_multi_leg_volume": get("call_multi_vol"),
            "put_multi_leg_volume": get("put_multi_vol"),
            "net_call_premium": get("net_call_prem"),
            "net_put_premium": get("net_put_prem"),
            "cum_net_call_delta": get("cum_net_call_delta"),
            "cum_net_put_delta": get("cum_net_put_delta"),
            "delta_flow": get("delta_flow"),
            "gamma_flow": get("gamma_flow"),
            "vega_flow": get("vega_flow"),
            "directional_delta_flow": get("dir_delta_flow"),
            "directional_gamma_flow": get("dir_gamma_flow"),
            "directional_vega_flow": get("dir_vega_flow"),
            "average_days_to_expiry": get("avg_dte"),
            "average_otm": get("avg_otm"),
            "average_size": get("avg_size"),
            "average_premium": get("avg_prem"),
            "open": get("open"),
            "close": get("close"),
            "implied_move_30d_open": get("implied_move_perc_30d_open"),
            "implied_move_30d_close": get("implied_move_perc_30d_close"),
            "volatility_30d_open": get("volatility_30d_open"),
            "volatility_30d_close": get("volatility_30d_close"),
        }
    )
