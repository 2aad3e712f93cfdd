"""Run `efsnas` in the terminal at standard input, with another experiment as the demo's.

python -m tests.backend.cli.launch SPEC ARGUMENT ...

The demo that ships takes minutes. What runs here is the same command with the file SPEC in place
of its own.
"""

import os
import signal
import sys
from pathlib import Path

import backend.cli.demo
from backend.cli import app


def main() -> None:
    """Become the process that Ctrl-C in the terminal reaches, then `efsnas`."""
    os.login_tty(sys.stdin.fileno())
    # A test run in the background of a script ignores SIGINT, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spec, *sys.argv[1:] = sys.argv[1:]
    backend.cli.demo.SPEC = Path(spec)
    app(prog_name="efsnas")


if __name__ == "__main__":
    main()
