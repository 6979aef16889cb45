"""One socket to upstream: opens it, reads its frames, decides what is said on it."""
