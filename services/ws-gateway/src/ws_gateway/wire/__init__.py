"""One client's connection: ready frames out, texts in."""
