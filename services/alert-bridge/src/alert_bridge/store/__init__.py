"""Keeps what was accepted: on the bus, and on this disk while the bus is away."""
