"""What an operator is told: `/status` and metrics."""
