"""The protocol of our own, `baleen.v1`."""
