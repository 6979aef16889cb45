"""Which channels are wanted, and which socket each is joined on. Pure."""
