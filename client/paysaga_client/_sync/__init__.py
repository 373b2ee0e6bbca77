# Derived from _async/__init__.py by client/derive.py: change that one.
"""The asynchronous side, written by hand. ``client/derive.py`` makes the other one of it."""
