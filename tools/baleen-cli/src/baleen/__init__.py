"""Runs Baleen on one machine: up, smoke, watch, doctor."""
