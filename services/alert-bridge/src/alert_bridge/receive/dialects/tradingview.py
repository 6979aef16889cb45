"""What TradingView's alerts send: the text of the alert, which may be JSON. Pure."""

from __future__ import annotations

from alert_bridge.errors import Unreadable
from alert_bridge.receive.dialects.anyjson import alert_of, read_text
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.told import Told
from alert_bridge.receive.values import plain_text


def read_tradingview(told: Told) -> list[BridgedAlert]:
    """One alert: of the object, where the text is one, else of the text as it is.

    An exchange before the ticker, as in ``NASDAQ:AAPL``, is left to the labels.

    Raises:
        Unreadable: it is not UTF-8.
        Empty: it says nothing.
        Invalid: it is JSON that is nested too deep.
    """
    if told.body.lstrip()[:1] != b"{":
        return [read_text(told)]
    try:
        said = told.json()
    except Unreadable:  # a text that only begins like JSON: what somebody typed is an alert all the same
        return [read_text(told)]
    ticker = plain_text(said.get("ticker")) or ""
    symbol = ticker.rpartition(":")[2].strip()
    mine = told.sender.fields if told.sender else {}
    if ":" in ticker and symbol and said.get("symbol") is None and "symbol" not in mine:
        return [alert_of(told, said, symbol=symbol)]
    return [alert_of(told, said)]
