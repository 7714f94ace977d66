"""Ties a process to its parent: when the parent dies, however it dies, the child dies too.

Run as a script it ties itself and then becomes another program:
`python tied.py PARENT_PID PROGRAM ARGUMENT…`. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; it survives exec


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent, `parent_pid`, is gone.

    Only Linux can; elsewhere this does nothing, and a parent that is killed hard leaves children.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we could ask
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the supervisor's own command
