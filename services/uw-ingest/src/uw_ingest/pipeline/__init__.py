"""From the bytes of a frame to a message that the bus has: buffer, normalize, outbox."""
