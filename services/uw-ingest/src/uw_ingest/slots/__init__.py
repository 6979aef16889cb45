"""The slots that this replica holds: a socket in each, kept for ever, and what it does there."""
