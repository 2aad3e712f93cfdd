"""The list of search spaces."""

from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html

from backend.spaces import service
from backend.spaces.schemas import SpaceSummary
from frontend.context import Context
from frontend.figures.numbers import short
from frontend.pages import links
from frontend.pages.parts import moment_text

MOST_SPACES = 1000

COLUMNS: list[dict[str, Any]] = [
    {
        "field": "reference",
        "headerName": "Search space",
        "flex": 2,
        "minWidth": 230,
        "cellRenderer": "RunLink",
    },
    {"field": "kind", "headerName": "Kind", "width": 110},
    {"field": "decisions", "headerName": "Decisions", "width": 110, "type": "rightAligned"},
    {"field": "all", "headerName": "Architectures", "width": 160, "type": "rightAligned"},
    {"field": "valid", "headerName": "Valid", "width": 160, "type": "rightAligned"},
    {"field": "dead", "headerName": "Dead", "width": 150, "type": "rightAligned"},
    {"field": "created", "headerName": "Stored", "flex": 1, "minWidth": 180},
]


def layout(context: Context) -> Any:  # Any: a Dash component
    """Return the page."""
    with context.db.reading() as session:
        page = service.list_spaces(session, MOST_SPACES)
    return html.Div(
        [
            dmc.Group(
                [
                    dmc.Title("Search spaces", order=2),
                    dcc.Link(dmc.Button("New search space"), href=links.space_editor()),
                ],
                justify="space-between",
                mb="md",
            ),
            dag.AgGrid(
                id="spaces-grid",
                columnDefs=COLUMNS,
                rowData=[_row(space) for space in page.items],
                getRowId="params.data.reference",
                defaultColDef={"resizable": True},
                dashGridOptions={
                    "rowHeight": 44,
                    "domLayout": "autoHeight",
                    "suppressCellFocus": True,
                },
                style={"height": None},
            ),
        ]
    )


def _row(space: SpaceSummary) -> dict[str, Any]:  # Any: JSON
    reference = f"{space.name}@{space.version}"
    return {
        "reference": reference,
        "link": links.space_page(reference),
        "kind": space.kind,
        "decisions": space.num_decisions,
        "all": short(space.size.all),
        "valid": short(space.size.valid),
        "dead": short(int(space.size.all) - int(space.size.valid)),
        "created": moment_text(space.created_at),
    }
