"""Carries every stored alert to an end at every destination: delivered, suppressed or dead."""
