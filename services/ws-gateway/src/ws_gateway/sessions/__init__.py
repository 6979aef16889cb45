"""Backtests and forward tests: who may watch them, what is shown of them, and orders to their engines."""
