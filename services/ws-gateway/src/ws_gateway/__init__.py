"""Hears the bus, says it to browsers."""
