"""The names a client may join, and the frames that travel under them. Pure.

A name is either global (``option_trades``) or for one ticker (``option_trades:SPY``). A record is heard on
both when both are joined. Anything else is ignored without a word, as upstream does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Form:
    """Which spellings of a channel upstream knows."""

    everywhere: bool
    per_ticker: bool


_BOTH, _GLOBAL, _TICKER = Form(True, True), Form(True, False), Form(False, True)

CHANNELS: dict[str, Form] = {
    "option_trades": _BOTH,
    "flow-alerts": _GLOBAL,
    "price": _BOTH,
    "gex": _BOTH,
    "gex_strike": _BOTH,
    "gex_strike_expiry": _BOTH,
    "news": _GLOBAL,
    "lit_trades": _GLOBAL,
    "off_lit_trades": _GLOBAL,
    "market_tide": _GLOBAL,
    "net_flow": _TICKER,
    "interval_flow": _GLOBAL,
    "contract_screener": _GLOBAL,
    "trading_halts": _GLOBAL,
    "custom_alerts": _GLOBAL,
    "periscope": _BOTH,
    "interpolated_iv": _BOTH,
    "iv_term_structure": _BOTH,
}
"""Without the futures channels: they need an add-on, so a join of them is ignored like an unknown name."""

_TICKER_SHAPE = re.compile(r"^[A-Z0-9][A-Z0-9.\-/]{0,9}$")


def is_known(name: str) -> bool:
    """Tell whether a join of *name* is answered."""
    channel, colon, ticker = name.partition(":")
    form = CHANNELS.get(channel)
    if form is None:
        return False
    return form.per_ticker and bool(_TICKER_SHAPE.match(ticker)) if colon else form.everywhere


def joined_name(channel: str, ticker: str | None) -> str | None:
    """Return the per-ticker name for a record of *channel*, or None where there is no such form."""
    form = CHANNELS.get(channel)
    return f"{channel}:{ticker}" if ticker and form and form.per_ticker else None


def envelope_head(name: str) -> bytes:
    """Return what stands before the payload in a data frame heard under *name*."""
    return b"[" + orjson.dumps(name) + b","


def ack_text(name: str) -> bytes:
    """Return the answer to a join or a leave of *name*."""
    return envelope_head(name) + b'{"response":{},"status":"ok"}]'


def text_frame(payload: bytes, *, opcode: int = 0x1, final: bool = True) -> bytes:
    """Return *payload* as one unmasked WebSocket frame of a server.

    Args:
        payload: the content; for text it should be UTF-8, which is not checked, so that faults can break it.
        opcode: 1 text, 2 binary, 0 continuation.
        final: whether this ends the message.
    """
    first = (0x80 if final else 0) | opcode
    size = len(payload)
    if size < 126:  # noqa: PLR2004 - RFC 6455: the three ways to say a length
        return bytes((first, size)) + payload
    if size < 65536:  # noqa: PLR2004 - RFC 6455
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
