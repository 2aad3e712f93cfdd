"""Run a Python module, or a program, as a child that ends when its parent does.

    python -m worker.tether MODULE [ARGUMENT ...]
    python -m worker.tether --exec PROGRAM [ARGUMENT ...]

The parent keeps a pipe to standard input open. When it dies, however it dies, the child receives
SIGTERM: from the kernel on Linux, and from the end of the pipe anywhere. A program started with
`--exec` replaces this process and is tied by the kernel alone.
"""

import os
import runpy
import signal
import sys
import threading

from worker.control import die_with_parent

PARENT_VARIABLE = "EFSNAS_TETHER_PARENT"
"""Number of the process that must be the parent; it may die before the tether is tied."""


def main() -> None:
    """Tie this process to its parent and become what the command line names."""
    die_with_parent(signal.SIGTERM)
    expected = os.environ.pop(PARENT_VARIABLE, None)
    if expected is not None and os.getppid() != int(expected):
        sys.exit("the parent is gone")
    if sys.argv[1] == "--exec":
        os.execv(sys.argv[2], sys.argv[2:])
    threading.Thread(target=_end_with_pipe, name="tether", daemon=True).start()
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_pipe() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
