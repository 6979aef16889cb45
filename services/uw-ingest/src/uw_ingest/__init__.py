"""Hears the upstream, says it on the bus."""
