"""A pretend upstream: same socket, same REST, same limits, faults on request."""
