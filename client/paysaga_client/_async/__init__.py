"""The asynchronous side, written by hand. ``client/derive.py`` makes the other one of it."""
