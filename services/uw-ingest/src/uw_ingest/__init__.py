"""Hears the upstream, says it on the bus.

The road, in the order in which data meets it:

    connect   one socket; bytes of each text frame come out
    feed      keeps the socket for ever ...
    protocol  ... and this decides what is said on it (pure)
    intake    the bounded buffer, then for each frame:
    decode    bytes to data, answer, complaint or refusal (pure)
    normalize upstream row to contract message, one module per family (pure)
    gaps      holes that must be announced (pure)
    polls     the same from REST, through rest and its budget in limiter (pure)
    orders    what others may ask of it over the bus
    watch     how each feed stands, by feed_state and market_hours (pure)
    status    what an operator may ask, beside metrics

``service.run`` puts it together.
"""
