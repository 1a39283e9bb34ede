"""Become another program that ends when the process that started it does. Run as a script, by its path.

    python -I -S pdeathsig.py PARENT PROGRAM [ARGUMENT...]

Context managers end a server in every orderly case; this is for the others: a test worker or a demo that is killed must
not leave servers behind. It is a program of its own because Python cannot safely run code between fork and exec in a
process with threads. The process id stays the same.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: str, *command: str) -> None:
    """Tie this process to its parent and become the program.

    Args:
        parent: The process id that has to live, in decimal.
        command: The program's path and its arguments.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it ended before the line above
        sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
