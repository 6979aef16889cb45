"""What is heard of the bus and remembered, so that it can be told."""
