"""The paths clients know, one module a family, each with a `router`."""
