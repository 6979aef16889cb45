"""What an operator can do about what is wrong. Pure: words in, words out.

The same words stand in ``/budget``, in ``baleen explain`` and in the feeds' states.
"""

from typing import NamedTuple


class Trouble(NamedTuple):
    """Something that is wrong, and what to do."""

    what: str
    do: str


_NO_WAY = "Upstream cannot be reached from here: check the network and UW_INGEST_UPSTREAM_URL."

_CURES = {
    "websocket scope": "The token's plan has no socket: upgrade it or use another token. REST goes on.",
    "handshake refused (401)": "Upstream does not know the token: check UW_INGEST_TOKEN.",
    "handshake refused (403)": "Upstream's front door turns this machine away: try from another address.",
    "handshake refused (5": "Upstream is in trouble; it is asked again with growing pauses. Wait.",
    "closed at once": "Upstream allows fewer sockets than UW_INGEST_SLOTS, or another program uses this"
    " token: lower the setting, or give that program a token of its own.",
    "refused in silence": "Upstream serves one socket of this token only: set UW_INGEST_SLOTS=1.",
    "limit": "Wish for a global channel instead of many tickers, or raise UW_INGEST_SLOTS.",
    "never answered": "Check the channel's name and what the plan includes; it is asked again meanwhile.",
    "mute": "Upstream accepts the socket and sends nothing; it is opened anew. If it lasts, ask upstream.",
    "unanswered": "Upstream answers no join on this socket; it is opened anew. If it lasts, ask upstream.",
    "silent while its siblings speak": "Check whether the plan includes this channel; the others are fine.",
    "silent, like everything": "Nothing comes on the whole socket; it is opened anew by itself.",
    "refused the channel": "The plan does not include this channel: drop it from UW_INGEST_CHANNELS.",
    "timed out": _NO_WAY,
    "cannot connect": _NO_WAY,
    "TLS failed": "Something stands between here and upstream, or this machine's certificates are too old.",
    "no token": "Set UW_INGEST_TOKEN.",
    "the bus is not connected": "Look after NATS, or after BALEEN_NATS_URL.",
    "daily": "The day's REST calls are spent: they start anew at 20:00 in New York.",
}


def cure(why: str) -> str:
    """Return what to do about a reason, or nothing if nobody knows better than to wait."""
    return next((do for words, do in _CURES.items() if words in why), "")


def trouble(what: str, why: str) -> Trouble:
    """Return a trouble with its cure; one without is worth a look into the log."""
    return Trouble(f"{what}: {why}" if why else what, cure(why) or "See the log of this replica.")
