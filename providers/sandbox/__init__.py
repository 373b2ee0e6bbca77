"""The sandbox provider: ``adapter`` asks the pretend company beside us, ``words`` tells what it says."""

from providers.sandbox.adapter import Sandbox
from providers.sandbox.keys import ready_made

__all__ = ["Sandbox", "ready_made"]
