"""Processes: what happens to a thing over time, in one place each."""
