"""The pulse of a live page: it asks for the revisions of runs, and passes on those that are new."""

from typing import Any

from dash import Dash, Input, Output, State, no_update

from backend.errors import NotFound
from backend.runs import service
from frontend.context import Context, threaded


def register_pulse(dash: Dash, context: Context, *, pulse: str, revisions: str, runs: str) -> None:
    """Register the pulse of a page.

    Args:
        dash: the dashboard.
        context: handed to every page.
        pulse: id of the interval; it stops when a run has been deleted.
        revisions: id of the store of what the page shows, a list with one per run.
        runs: id of the store of the runs' ids, a list or the id of the only one.
    """

    @dash.callback(
        Output(revisions, "data"),
        Output(pulse, "disabled"),
        Input(pulse, "n_intervals"),
        State(revisions, "data"),
        State(runs, "data"),
        prevent_initial_call=True,
    )
    @threaded
    def beat(_: int | None, seen: list[int], shown: int | list[int]) -> tuple[Any, Any]:
        run_ids = [shown] if isinstance(shown, int) else shown
        try:
            with context.db.reading() as session:
                found = service.get_revisions(session, run_ids)
        except NotFound:
            return no_update, True
        return (no_update if found == seen else found), no_update
