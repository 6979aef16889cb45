"""Decides who is told of an alert, and when: a file of rules, and what it says of each alert."""
