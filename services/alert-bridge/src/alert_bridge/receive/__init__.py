"""Takes alerts as senders speak: HTTP in, one contract out, an answer only when it is kept."""
