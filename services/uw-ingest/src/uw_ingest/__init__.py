"""Hears the upstream, says it on the bus.

The road, in the order in which data meets it:

    upstream   one socket: `connect` opens it, `decode` reads frames, `protocol` decides what is said (pure)
    pipeline   `intake`, the bounded buffer; `outlet`, where messages leave for the bus
    normalize  upstream row to contract message, one module per family (pure)
    feeds      how each feed stands, and the holes that must be announced (pure)
    plan       which channel is joined on which socket (pure)
    slots      the sockets that this replica holds, and what it does with each
    rest       polls and backfill, out of one budget
    fleet      all of that for one replica among others
    operator   what an operator may ask

``service.run`` puts it together.
"""
