"""The list of runs."""

import json
from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from backend.runs import service
from backend.runs.schemas import RunSummary
from frontend.context import Context, threaded
from frontend.figures.comparison.runs import MOST_RUNS as MOST_COMPARED
from frontend.figures.ranking import ceiling_value
from frontend.pages import links
from frontend.pages.parts import STATE_COLOURS, moment_text

REFRESH_MILLISECONDS = 2000
MOST_RUNS = 500

COLUMNS: list[dict[str, Any]] = [
    {"field": "id", "headerName": "Run", "width": 65, "cellRenderer": "RunLink"},
    {"field": "name", "headerName": "Name", "flex": 3, "minWidth": 150, "cellRenderer": "RunLink"},
    {"field": "state", "headerName": "State", "width": 120, "cellRenderer": "StateBadge"},
    {"field": "progress", "headerName": "Progress", "width": 120, "cellRenderer": "ProgressBar"},
    {
        "field": "tau",
        "headerName": "τ-b",
        "headerTooltip": "Newest overall Kendall τ-b of the first scorer",
        "width": 70,
        "type": "rightAligned",
        "valueFormatter": {"function": "params.value == null ? '–' : params.value.toFixed(2)"},
    },
    {
        "field": "ceiling",
        "headerName": "Ceiling",
        "headerTooltip": "Noise ceiling: the τ-b that the benchmark reaches with itself",
        "width": 90,
        "type": "rightAligned",
    },
    {"field": "num_subspaces", "headerName": "K", "width": 60, "type": "rightAligned"},
    {"field": "space", "headerName": "Search space", "flex": 1, "minWidth": 140},
    {"field": "dataset", "headerName": "Dataset", "flex": 1, "minWidth": 100},
    {
        "field": "reason",
        "headerName": "Reason",
        "headerTooltip": "Why the run waits, or why it failed",
        "flex": 2,
        "minWidth": 100,
        "tooltipField": "reason",
    },
    {"field": "created", "headerName": "Created (UTC)", "width": 160},
]


def layout(context: Context) -> Any:  # Any: a Dash component
    """Return the page, its rows already in it."""
    rows = read_rows(context, archived=False)
    return html.Div(
        [
            dcc.Interval(id="runs-pulse", interval=REFRESH_MILLISECONDS),
            dcc.Store(id="runs-shown", data=json.dumps(rows)),
            dmc.Group(
                [
                    dmc.Title("Runs", order=2),
                    dmc.Group(
                        [
                            dmc.Switch(id="runs-archived", label="Show archived", checked=False),
                            html.Div(compare_button([]), id="runs-compare"),
                            dcc.Link(dmc.Button("New run"), href=links.new_run_page()),
                        ]
                    ),
                ],
                justify="space-between",
                mb="md",
            ),
            dag.AgGrid(
                id="runs-grid",
                columnDefs=COLUMNS,
                rowData=rows,
                getRowId="params.data.key",
                defaultColDef={"sortable": True, "resizable": True},
                dashGridOptions={
                    "rowHeight": 44,
                    "domLayout": "autoHeight",
                    "tooltipShowDelay": 300,
                    "suppressCellFocus": True,
                    "rowSelection": {
                        "mode": "multiRow",
                        "headerCheckbox": False,
                        "enableClickSelection": False,
                    },
                    "localeText": {"noRowsToShow": "No runs yet. Start with “New run”."},
                    "pagination": True,
                    "paginationPageSize": 20,
                    "paginationPageSizeSelector": [20, 50, 100],
                },
                style={"height": None},
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the refresh."""

    @dash.callback(
        Output("runs-grid", "rowData"),
        Output("runs-shown", "data"),
        Input("runs-pulse", "n_intervals"),
        Input("runs-archived", "checked"),
        State("runs-shown", "data"),
        prevent_initial_call=True,
    )
    @threaded
    def refresh(_: int | None, archived: bool, shown: str) -> Any:  # Any: Dash's outputs
        rows = read_rows(context, archived=archived)
        text = json.dumps(rows)
        return (no_update, no_update) if text == shown else (rows, text)

    @dash.callback(
        Output("runs-compare", "children"),
        Input("runs-grid", "selectedRows"),
        prevent_initial_call=True,
    )
    @threaded
    def offer(selected: list[dict[str, Any]] | None) -> Any:  # Any: a Dash component
        return compare_button([row["id"] for row in selected or []])


def compare_button(run_ids: Sequence[int]) -> Any:  # Any: a Dash component
    """Return the way to the comparison of the selected runs, the oldest first."""
    if 2 <= len(run_ids) <= MOST_COMPARED:
        text = f"Compare {len(run_ids)} runs"
        return dcc.Link(
            dmc.Button(text, variant="light"), href=links.compare_page(sorted(run_ids))
        )
    hint = f"Select two to {MOST_COMPARED} runs in the list"
    return html.Div(dmc.Button("Compare", variant="light", disabled=True), title=hint)


def read_rows(context: Context, *, archived: bool) -> list[dict[str, Any]]:  # Any: JSON
    """Return the newest runs as rows of the grid."""
    with context.db.reading() as session:
        page = service.list_runs(session, archived=None if archived else False, limit=MOST_RUNS)
    return [_row(run) for run in page.items]


def _row(run: RunSummary) -> dict[str, Any]:
    ceiling = "–" if run.benchmark is None else ceiling_value(run)
    return {
        "key": str(run.id),
        "id": run.id,
        "link": links.run_page(run.id),
        "name": run.name,
        "state": run.state,
        "colour": STATE_COLOURS.get(run.state, "gray"),
        "progress": round(100 * run.progress, 1),
        "tau": run.tau,
        "ceiling": ceiling,
        "num_subspaces": run.num_subspaces,
        "space": run.space,
        "dataset": run.dataset,
        "reason": run.failure_message or run.waiting_reason or "",
        # The column's head says it once.
        "created": moment_text(run.created_at).removesuffix(" UTC"),
    }
