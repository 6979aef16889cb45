"""Hears alerts, says them on the bus."""
