"""A pretend Discord: the same webhook API, the same limits, faults on request."""
