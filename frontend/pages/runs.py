"""The list of runs."""

import json
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from backend.runs import service
from backend.runs.schemas import RunSummary
from frontend.context import Context, threaded
from frontend.figures.ranking import ceiling_value
from frontend.pages import links
from frontend.pages.parts import STATE_COLOURS, moment_text

REFRESH_MILLISECONDS = 2000
MOST_RUNS = 500

COLUMNS: list[dict[str, Any]] = [
    {"field": "id", "headerName": "Run", "width": 70, "cellRenderer": "RunLink"},
    {"field": "name", "headerName": "Name", "flex": 2, "minWidth": 150, "cellRenderer": "RunLink"},
    {"field": "state", "headerName": "State", "width": 120, "cellRenderer": "StateBadge"},
    {"field": "progress", "headerName": "Progress", "width": 160, "cellRenderer": "ProgressBar"},
    {
        "field": "tau",
        "headerName": "τ-b",
        "headerTooltip": "Newest overall Kendall τ-b of the first scorer",
        "width": 80,
        "type": "rightAligned",
        "valueFormatter": {"function": "params.value == null ? '–' : params.value.toFixed(2)"},
    },
    {
        "field": "ceiling",
        "headerName": "Ceiling",
        "headerTooltip": "Noise ceiling: the τ-b that the benchmark reaches with itself",
        "width": 125,
        "type": "rightAligned",
    },
    {"field": "num_subspaces", "headerName": "K", "width": 65, "type": "rightAligned"},
    {"field": "space", "headerName": "Search space", "flex": 1, "minWidth": 130},
    {"field": "dataset", "headerName": "Dataset", "flex": 1, "minWidth": 110},
    {
        "field": "reason",
        "headerName": "Waiting or failed because",
        "flex": 3,
        "minWidth": 200,
        "tooltipField": "reason",
    },
    {"field": "created", "headerName": "Created", "width": 180},
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


def read_rows(context: Context, *, archived: bool) -> list[dict[str, Any]]:  # Any: JSON
    """Return the newest runs as rows of the grid."""
    with context.db.reading() as session:
        page = service.list_runs(session, archived=None if archived else False, limit=MOST_RUNS)
    return [_row(run) for run in page.items]


def _row(run: RunSummary) -> dict[str, Any]:
    return {
        "key": str(run.id),
        "id": run.id,
        "link": links.run_page(run.id),
        "name": run.name,
        "state": run.state,
        "colour": STATE_COLOURS.get(run.state, "gray"),
        "progress": round(100 * run.progress, 1),
        "tau": run.tau,
        "ceiling": ceiling_value(run),
        "num_subspaces": run.num_subspaces,
        "space": run.space,
        "dataset": run.dataset,
        "reason": run.failure_message or run.waiting_reason or "",
        "created": moment_text(run.created_at),
    }
