"""What every service wears: settings, lifecycle, probes, metrics and logs."""
