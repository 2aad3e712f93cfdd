"""Addresses of the dashboard."""

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


def figure_json(run_id: int, figure: str) -> str:
    """The data of one figure, as the REST API gives it."""
    return f"{API}/runs/{run_id}/figures/{figure}"
