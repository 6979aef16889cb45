"""The closed list of reasons for which something from upstream is not published.

Pure. The reasons are metric labels, so they never carry data; the table test holds that nothing else
is ever used.
"""

from enum import StrEnum


class Refusal(StrEnum):
    """Why a frame or a row was not published."""

    NOT_WEBSOCKET = "not_websocket"  # a frame that breaks the protocol; the socket is closed with it
    NOT_TEXT = "not_text"  # a binary frame; upstream speaks text only
    OVERSIZED = "oversized"
    INVALID_UTF8 = "invalid_utf8"
    NOT_JSON = "not_json"  # also NaN, Infinity and nesting no honest frame has
    NOT_A_PAIR = "not_a_pair"  # neither [channel, payload] nor a known complaint
    BAD_CHANNEL = "bad_channel"  # the first element is no channel name
    BAD_PAYLOAD = "bad_payload"  # the second element is no object
    UNKNOWN_CHANNEL = "unknown_channel"
    ACK = "ack"  # upstream answered a join: counted, never data
    UPSTREAM_ERROR = "upstream_error"  # upstream complained in a frame of its own
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"  # not finite, or larger than an exact JSON number
    BAD_OPTION_SYMBOL = "bad_option_symbol"
    NO_IDENTITY = "no_identity"  # nothing in the row tells it from its neighbours
    CANCELED = "canceled"  # REST marks prints that were taken back
    NOT_ROWS = "not_rows"  # a REST body without the list it should hold
    UNPUBLISHABLE = "unpublishable"  # the bus can never take it
    NO_ROOM = "no_room"  # a polled row while the bus is away and enough is held; it is asked for again
    UNUSED_ENDPOINT = "unused_endpoint"  # a REST answer that no feed uses
