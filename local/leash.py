"""Becomes another program, tied to the process that started it: when that one dies, this one is signalled.

Run as a script with a bare interpreter, so that it costs milliseconds and imports nothing of ours.
A program of its own because code between fork and exec is unsafe once the parent has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """``PARENT SIGNAL USER:GROUP|- PROGRAM ARGUMENT…``: does not return unless the program cannot be run."""
    parent, death_signal, identity, *command = arguments
    if identity != "-":
        user, group = (int(number) for number in identity.split(":"))
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            sys.exit("the parent died before its child began")
    # The interpreter ignores these two, and exec would hand that down.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606 - it is the point # nosec B606
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
