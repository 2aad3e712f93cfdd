"""One run, live: a pulse asks for its revision, and only what has changed is sent."""

from collections.abc import Iterable, Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from backend.errors import ApiError, NotFound
from backend.runs import service
from frontend.context import Context, threaded
from frontend.figures.registry import FIGURES
from frontend.live import changes, replacement
from frontend.pages import links
from frontend.pages.run.grids import GRIDS
from frontend.pages.run.panels import PANELS
from frontend.pages.run.tabs import TABS, panel, tab_content
from frontend.rows import read_rows

PULSE_MILLISECONDS = 1000
ACTIONS = {
    "pause": (service.pause, "Pause"),
    "resume": (service.resume, "Resume"),
    "retry": (service.retry, "Retry"),
    "cancel": (service.cancel, "Cancel"),
}
COLOURS = {"cancel": "red"}

Component = Any  # Dash's components are generated, without a useful common type


def layout(context: Context, run_id: int) -> Component:
    """Return the page of a run, still without its figures.

    Raises:
        NotFound: if there is no such run.
    """
    with context.db.reading() as session:
        revision = service.get_revision(session, run_id)
    return html.Div(
        [
            dcc.Store(id="run-id", data=run_id),
            dcc.Store(id="revision", data=revision),
            dcc.Interval(id="pulse", interval=PULSE_MILLISECONDS),
            dmc.Group(
                [panel("heading"), dmc.Group(_buttons(run_id), gap="xs")],
                justify="space-between",
                align="flex-start",
            ),
            panel("notice"),
            html.Div(panel("progress"), style={"marginTop": 14}),
            dmc.Tabs(
                [
                    dmc.TabsList([dmc.TabsTab(text, value=tab) for tab, text in TABS.items()]),
                    html.Div(tab_content("overview", run_id), id="tab", style={"paddingTop": 16}),
                ],
                id="tabs",
                value="overview",
                mt="md",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the pulse, the update, the tabs and the actions."""

    @dash.callback(
        Output("revision", "data"),
        Output("pulse", "disabled"),
        Input("pulse", "n_intervals"),
        State("revision", "data"),
        State("run-id", "data"),
        prevent_initial_call=True,
    )
    @threaded
    def beat(_: int | None, seen: int, run_id: int) -> tuple[Any, Any]:
        try:
            with context.db.reading() as session:
                revision = service.get_revision(session, run_id)
        except NotFound:
            return no_update, True
        return (no_update if revision == seen else revision), no_update

    @dash.callback(
        Output("tab", "children"),
        Input("tabs", "value"),
        State("run-id", "data"),
        prevent_initial_call=True,
    )
    @threaded
    def open_tab(tab: str, run_id: int) -> Component:
        with context.db.reading() as session:
            banked = service.get_run(session, run_id).spec.supernet.has_banks
        return tab_content(tab, run_id, banked=banked)

    _register_update(dash, context)
    _register_actions(dash, context)


def _register_update(dash: Dash, context: Context) -> None:
    @dash.callback(
        Output({"type": "figure", "name": ALL}, "figure"),
        Output({"type": "figure-mark", "name": ALL}, "data"),
        Output({"type": "panel", "name": ALL}, "children"),
        Output({"type": "panel-mark", "name": ALL}, "data"),
        Output({"type": "grid", "name": ALL}, "rowData"),
        Output({"type": "grid-mark", "name": ALL}, "data"),
        Output({"type": "action", "name": ALL, "run": ALL}, "style"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "figure-mark", "name": ALL}, "data"),
        State({"type": "panel-mark", "name": ALL}, "data"),
        State({"type": "grid-mark", "name": ALL}, "data"),
        State("run-id", "data"),
    )
    @threaded
    def update(
        _: int,
        theme: str,
        figure_marks: list[Any],
        panel_marks: list[Any],
        grid_marks: list[Any],
        run_id: int,
    ) -> tuple[list[Any], ...]:
        figures, panels, grids, actions = (
            [place["id"]["name"] for place in ctx.outputs_list[index]] for index in (0, 2, 4, 6)
        )
        needs = _needs((FIGURES, figures), (PANELS, panels), (GRIDS, grids))
        rows = read_rows(context.db, run_id, needs)
        sent = (
            [
                changes(FIGURES[name].of(rows, theme), mark)
                for name, mark in zip(figures, figure_marks, strict=True)
            ],
            [
                replacement(PANELS[name].of(rows), mark)
                for name, mark in zip(panels, panel_marks, strict=True)
            ],
            [
                replacement(GRIDS[name].of(rows), mark)
                for name, mark in zip(grids, grid_marks, strict=True)
            ],
        )
        allowed = rows["run"].allowed_actions
        shown = [{} if action in allowed else {"display": "none"} for action in actions]
        return (
            *(
                [getattr(change, part) for change in group]
                for group in sent
                for part in ("content", "mark")
            ),
            shown,
        )


def _register_actions(dash: Dash, context: Context) -> None:
    @dash.callback(
        Output("notifications", "sendNotifications"),
        Input({"type": "action", "name": ALL, "run": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    @threaded
    def act(_: list[int | None]) -> Any:  # Any: Dash's output
        # Buttons also announce themselves when they come and go, without having been pressed.
        if not ctx.triggered or not ctx.triggered[0]["value"] or ctx.triggered_id is None:
            return no_update
        action, name = ACTIONS[ctx.triggered_id["name"]]
        try:
            with context.db.unit_of_work() as session:
                run = action(session, ctx.triggered_id["run"])
        except ApiError as error:
            return [_notification(f"{name} is not possible", error.message, "red")]
        return [_notification(f"{name} requested", f"Run {run.id} is {run.state}.", "teal")]


def _buttons(run_id: int) -> list[Component]:
    hidden = {"display": "none"}
    buttons = [
        dmc.Button(
            text,
            id={"type": "action", "name": name, "run": run_id},
            variant="light",
            color=COLOURS.get(name, "indigo"),
            size="xs",
            style=hidden,
        )
        for name, (_, text) in ACTIONS.items()
    ]
    clone = dcc.Link(
        dmc.Button("Clone", variant="default", size="xs"), href=links.new_run_page(run_id)
    )
    return [*buttons, clone]


def _needs(*groups: tuple[Mapping[str, Any], Iterable[str]]) -> set[str]:
    return {need for registry, names in groups for name in names for need in registry[name].needs}


def _notification(title: str, message: str, colour: str) -> dict[str, Any]:
    return {
        "action": "show",
        "title": title,
        "message": message,
        "color": colour,
        "autoClose": 6000,
    }
