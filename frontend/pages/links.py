"""Addresses of the dashboard."""

from collections.abc import Iterable
from urllib.parse import urlencode

PREFIX = "/ui/"
API = "/api/v1"


def runs_page() -> str:
    """The list of runs."""
    return PREFIX


def new_run_page(clone_of: int | None = None) -> str:
    """The form, prefilled with another run's spec if one is given."""
    return f"{PREFIX}new" + (f"?clone={clone_of}" if clone_of is not None else "")


def run_page(run_id: int) -> str:
    """One run."""
    return f"{PREFIX}runs/{run_id}"


def compare_page(run_ids: Iterable[int]) -> str:
    """Some runs side by side, in the given order."""
    return f"{PREFIX}compare?{_named(run_ids)}"


def figure_json(run_id: int, figure: str) -> str:
    """The data of one figure, as the REST API gives it."""
    return f"{API}/runs/{run_id}/figures/{figure}"


def comparison_json(run_ids: Iterable[int], figure: str) -> str:
    """The data of a figure that compares runs, as the REST API gives it."""
    return f"{API}/figures/{figure}?{_named(run_ids)}"


def _named(run_ids: Iterable[int]) -> str:
    return urlencode([("run", run_id) for run_id in run_ids])
