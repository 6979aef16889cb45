"""How it travels: connection, streams, publish, and follow without gaps."""
