"""What other people's programs send, each read into the fields of alerts."""
