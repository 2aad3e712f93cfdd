"""How the worker's processes write their logs: as every other process does."""

from backend.logs import configure_logs

__all__ = ["configure_logs"]
