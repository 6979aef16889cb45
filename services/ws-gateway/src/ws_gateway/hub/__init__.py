"""Who gets which frame, and when."""
