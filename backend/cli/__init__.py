"""The command line: `efsnas`, or `python -m backend.cli`."""

from backend.cli.main import app

__all__ = ["app"]
