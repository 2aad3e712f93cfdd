"""The list of benchmarks."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from backend.benchmarks import service
from backend.benchmarks.schemas import BenchmarkRead
from backend.builds import service as builds_service
from backend.builds.schemas import BuildRead
from backend.errors import ApiError
from frontend.context import Context, threaded
from frontend.pages import links
from frontend.pages.parts import STATE_COLOURS, moment_text, notification, state_badge

MOST_BENCHMARKS = 1000
REFRESH_MILLISECONDS = 2000
ACTIONS: Mapping[str, str] = {
    "pause": "Pause",
    "resume": "Resume",
    "retry": "Retry",
    "cancel": "Cancel",
    "delete": "Delete",
}

Component = Any  # Dash's components are generated, without a useful common type

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
    builds, rows = read_rows(context)
    return html.Div(
        [
            dcc.Interval(id="builds-pulse", interval=REFRESH_MILLISECONDS),
            dcc.Store(id="builds-shown", data=_mark(builds)),
            dmc.Group(
                [
                    dmc.Title("Benchmarks", order=2),
                    dcc.Link(dmc.Button("Build a benchmark"), href=links.new_benchmark_page()),
                ],
                justify="space-between",
                mb="xs",
            ),
            dmc.Text(
                [
                    "Stand-alone results that rankings are compared with. Import one with ",
                    html.Code("efsnas benchmarks import FILE --name NAME --space SPACE"),
                    ", or have the workers train a space, or a sample of it.",
                ],
                size="sm",
                c="dimmed",
                mb="md",
            ),
            html.Div(build_cards(builds), id="builds"),
            dag.AgGrid(
                id="benchmarks-grid",
                columnDefs=COLUMNS,
                rowData=rows,
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


def register(dash: Dash, context: Context) -> None:
    """Register the refresh and the actions of builds."""

    @dash.callback(
        Output("builds", "children"),
        Output("benchmarks-grid", "rowData"),
        Output("builds-shown", "data"),
        Input("builds-pulse", "n_intervals"),
        State("builds-shown", "data"),
        prevent_initial_call=True,
    )
    @threaded
    def refresh(_: int | None, shown: str) -> tuple[Any, Any, Any]:  # Any: Dash's outputs
        builds, rows = read_rows(context)
        mark = _mark(builds)
        if mark == shown:
            return no_update, no_update, no_update
        return build_cards(builds), rows, mark

    @dash.callback(
        Output("notifications", "sendNotifications", allow_duplicate=True),
        Input({"type": "build-action", "name": ALL, "build": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    @threaded
    def act(_: list[int | None]) -> Any:  # Any: Dash's outputs
        # Buttons also announce themselves when they come and go, without having been pressed.
        if not ctx.triggered or not ctx.triggered[0]["value"] or ctx.triggered_id is None:
            return no_update
        name, build_id = ctx.triggered_id["name"], ctx.triggered_id["build"]
        try:
            with context.db.unit_of_work() as session:
                if name == "delete":
                    builds_service.delete_build(session, build_id)
                    said = f"Build {build_id} is no more."
                else:
                    build = builds_service.act(session, build_id, name)
                    said = f"Build {build_id} is {build.state}."
        except ApiError as error:
            return [notification(f"{ACTIONS[name]} is not possible", error.message, "red")]
        return [notification(f"{ACTIONS[name]} requested", said, "teal")]


def read_rows(
    context: Context,
) -> tuple[list[BuildRead], list[dict[str, Any]]]:  # Any: JSON
    """Return the builds that have made no benchmark, and the rows of the grid."""
    with context.db.reading() as session:
        builds = builds_service.list_builds(session, unfinished=True).items
        page = service.list_benchmarks(session, MOST_BENCHMARKS)
    return builds, [_row(benchmark) for benchmark in page.items]


def build_cards(builds: Sequence[BuildRead]) -> list[Component]:
    """Return a card per build: how far it is, why it waits or failed, and what may be done."""
    return [_card(build) for build in builds]


def _card(build: BuildRead) -> Component:
    trained = f"{build.num_trained:,} of {build.num_trainings:,} trained"
    if build.num_diverged:
        trained += f", {build.num_diverged:,} of them diverged"
    seeds = ", ".join(map(str, build.spec.seeds))
    what = (
        f"{build.num_architectures:,} architectures of {build.space} on {build.dataset}, "
        f"{build.num_networks:,} networks, seeds {seeds}"
    )
    reason = build.failure_message or build.waiting_reason
    return dmc.Paper(
        [
            dmc.Group(
                [
                    dmc.Group(
                        [
                            dmc.Text(build.name, fw=600),
                            state_badge(build.state, "sm"),
                            dmc.Text(trained, size="sm", className="tabular"),
                        ],
                        gap="sm",
                    ),
                    dmc.Group(
                        [
                            _button(name, title, build.id)
                            for name, title in ACTIONS.items()
                            if name in build.allowed_actions
                        ],
                        gap="xs",
                    ),
                ],
                justify="space-between",
            ),
            dmc.Progress(
                value=round(100 * build.num_trained / build.num_trainings, 1),
                color=STATE_COLOURS.get(build.state, "gray"),
                mt="xs",
            ),
            dmc.Text(what, size="xs", c="dimmed", mt=6),
            *([dmc.Text(reason, size="sm", mt=4)] if reason else []),
        ],
        withBorder=True,
        p="md",
        mb="md",
        className="build-card",
    )


def _button(name: str, title: str, build_id: int) -> Component:
    identity = {"type": "build-action", "name": name, "build": build_id}
    colour = "red" if name in ("cancel", "delete") else "indigo"
    if name != "delete":
        return dmc.Button(title, id=identity, variant="light", size="xs", color=colour)
    return dmc.Popover(
        [
            dmc.PopoverTarget(dmc.Button(f"{title} …", variant="light", size="xs", color=colour)),
            dmc.PopoverDropdown(
                [
                    dmc.Text("Its finished trainings are removed for good.", size="sm", mb="xs"),
                    dmc.Button("Delete this build", id=identity, size="xs", color=colour),
                ]
            ),
        ],
        position="bottom-end",
        shadow="md",
        # With its button it then also disappears.
        withinPortal=False,
    )


def _mark(builds: Sequence[BuildRead]) -> str:
    """Return a text that differs whenever the page should."""
    return json.dumps(
        [build.model_dump(mode="json", exclude={"spec"}) for build in builds], sort_keys=True
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
