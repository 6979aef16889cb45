"""A seeded market: instruments, contracts, prints and everything upstream derives from them. Pure.

Nothing here reads a clock, a socket or the environment. Times are arguments (epoch milliseconds),
chance comes
from one `random.Random`, identities from a prefix handed in.
"""
