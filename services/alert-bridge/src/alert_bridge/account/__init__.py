"""Tells what became of every alert: history, the life of each at every destination, totals, dead letters."""
