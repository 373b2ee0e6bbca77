"""The servers and processes behind ``paysaga dev``: one machine, one data directory, nothing left behind."""


class CannotStart(RuntimeError):
    """Why there will be no platform, in words for whoever asked for one."""
