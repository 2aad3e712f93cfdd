"""The list of benchmarks."""

from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import html

from backend.benchmarks import service
from backend.benchmarks.schemas import BenchmarkRead
from frontend.context import Context
from frontend.pages import links
from frontend.pages.parts import moment_text

MOST_BENCHMARKS = 1000

COLUMNS: list[dict[str, Any]] = [
    {
        "field": "reference",
        "headerName": "Benchmark",
        "flex": 2,
        "minWidth": 210,
        "cellRenderer": "RunLink",
    },
    {"field": "space", "headerName": "Search space", "flex": 1, "minWidth": 160},
    {"field": "known", "headerName": "Architectures", "width": 140, "type": "rightAligned"},
    {"field": "valid", "headerName": "Valid", "width": 110, "type": "rightAligned"},
    {"field": "columns", "headerName": "Columns", "flex": 2, "minWidth": 180},
    {"field": "truth", "headerName": "Ground truth", "flex": 1, "minWidth": 150},
    {
        "field": "ceiling",
        "headerName": "Ceiling",
        "headerTooltip": "Noise ceiling: the τ-b that the ground truth reaches with itself",
        "width": 110,
        "type": "rightAligned",
    },
    {"field": "created", "headerName": "Stored", "flex": 1, "minWidth": 180},
]


def layout(context: Context) -> Any:  # Any: a Dash component
    """Return the page."""
    with context.db.reading() as session:
        page = service.list_benchmarks(session, MOST_BENCHMARKS)
    return html.Div(
        [
            dmc.Title("Benchmarks", order=2),
            dmc.Text(
                [
                    "Stand-alone results that rankings are compared with. Import one with ",
                    html.Code("efsnas benchmarks import FILE --name NAME --space SPACE"),
                    ".",
                ],
                size="sm",
                c="dimmed",
                mb="md",
            ),
            dag.AgGrid(
                id="benchmarks-grid",
                columnDefs=COLUMNS,
                rowData=[_row(benchmark) for benchmark in page.items],
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


def _row(benchmark: BenchmarkRead) -> dict[str, Any]:  # Any: JSON
    reference = f"{benchmark.name}@{benchmark.version}"
    ceiling = benchmark.noise_ceiling
    return {
        "reference": reference,
        "link": links.benchmark_page(reference),
        "space": benchmark.space,
        "known": f"{benchmark.num_entries:,}",
        "valid": f"{benchmark.num_valid:,}",
        "columns": ", ".join(column.name for column in benchmark.columns),
        "truth": benchmark.truth or "none",
        "ceiling": "unknown" if ceiling is None else f"{ceiling:.3f}",
        "created": moment_text(benchmark.created_at),
    }
