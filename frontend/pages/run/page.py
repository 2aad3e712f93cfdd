"""One run, live: a pulse asks for its revision, and only what has changed is sent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html

from backend.runs import service
from backend.runs.schemas import RunRead
from frontend.context import Context, threaded
from frontend.figures.chosen import USUAL, Chosen
from frontend.figures.ranking import scorer_kinds, shown_scorer
from frontend.figures.registry import FIGURES
from frontend.live import UNCHANGED, changes, replacement
from frontend.pages.places import all_marks, all_shown, panel_place
from frontend.pages.pulse import register_pulse
from frontend.pages.run.actions import OFFERS, buttons, register_actions, shown
from frontend.pages.run.choices import CHOICE_TAB, MEASURE, SCORER, register_choices
from frontend.pages.run.grids import GRIDS
from frontend.pages.run.panels import PANELS
from frontend.pages.run.retraining import register_retraining
from frontend.pages.run.tabs import tabs
from frontend.rows import read_rows
from nas.ranking.measures import MeasureName

PULSE_MILLISECONDS = 1000

Component = Any  # Dash's components are generated, without a useful common type


def layout(context: Context, run_id: int) -> Component:
    """Return the page of a run, still without its figures.

    Raises:
        NotFound: if there is no such run.
    """
    with context.db.reading() as session:
        run = service.get_run(session, run_id)
    return html.Div(
        [
            dcc.Store(id="run-id", data=run_id),
            dcc.Store(id="revision", data=[run.revision]),
            dcc.Interval(id="pulse", interval=PULSE_MILLISECONDS),
            dmc.Group(
                [panel_place("panel", "heading"), dmc.Group(buttons(run_id), gap="xs")],
                justify="space-between",
                align="flex-start",
            ),
            panel_place("panel", "notice"),
            html.Div(panel_place("panel", "progress"), style={"marginTop": 14}),
            tabs(
                run_id,
                _optional_figures(run),
                scorers=scorer_kinds(run),
                shown=shown_scorer(run),
            ),
        ]
    )


def _optional_figures(run: RunRead) -> set[str]:
    """Return the figures that this run has and others have not."""
    search = run.spec.search
    has = {
        "bank-balance": run.spec.supernet.has_banks,
        "search-in-truth": search is not None and run.benchmark is not None,
        "pareto-front": search is not None and len(search.aims) > 1,
    }
    return {name for name, there in has.items() if there}


def register(dash: Dash, context: Context) -> None:
    """Register the pulse, the update and the actions."""

    register_pulse(dash, context, pulse="pulse", revisions="revision", runs="run-id")
    _register_update(dash, context)
    register_actions(dash, context)
    register_choices(dash)
    register_retraining(dash, context)


def _register_update(dash: Dash, context: Context) -> None:
    @dash.callback(
        output=[
            Output(all_shown("figure"), "figure"),
            Output(all_marks("figure"), "data"),
            Output(all_shown("panel"), "children"),
            Output(all_marks("panel"), "data"),
            Output(all_shown("grid"), "rowData"),
            Output(all_marks("grid"), "data"),
            Output(OFFERS, "style"),
        ],
        inputs=[
            Input("revision", "data"),
            (Input("theme", "data"), Input("tabs", "value")),
            (Input(MEASURE, "value"), Input(SCORER, "value")),
            [State(all_marks(kind), "data") for kind in ("figure", "panel", "grid")],
            State("run-id", "data"),
        ],
    )
    @threaded
    def update(
        _: list[int],
        view: tuple[str, str],
        choice: tuple[MeasureName, str],
        marks: list[list[Any]],
        run_id: int,
    ) -> tuple[list[Any], ...]:
        theme, tab = view
        figure_marks, panel_marks, grid_marks = marks
        figures, panels, grids = (_to_draw(tab, ctx.outputs_list[index]) for index in (0, 2, 4))
        needs = _needs((FIGURES, figures), (PANELS, panels), (GRIDS, grids))
        # The other tabs have nothing to choose.
        chosen = Chosen(*choice) if tab == CHOICE_TAB else USUAL
        rows = read_rows(context.db, run_id, needs, chosen)
        sent = (
            [
                UNCHANGED if name is None else changes(FIGURES[name].of(rows, theme, chosen), mark)
                for name, mark in zip(figures, figure_marks, strict=True)
            ],
            [
                UNCHANGED if name is None else replacement(PANELS[name].of(rows), mark)
                for name, mark in zip(panels, panel_marks, strict=True)
            ],
            [
                UNCHANGED if name is None else replacement(GRIDS[name].of(rows), mark)
                for name, mark in zip(grids, grid_marks, strict=True)
            ],
        )
        return (
            *(
                [getattr(change, part) for change in group]
                for group in sent
                for part in ("content", "mark")
            ),
            [shown(rows["run"], place["id"]["name"]) for place in ctx.outputs_list[6]],
        )


def _to_draw(tab: str, places: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return the name of every place, None for those on a tab that is not open."""
    return [place["id"]["name"] if place["id"]["tab"] in ("", tab) else None for place in places]


def _needs(*groups: tuple[Mapping[str, Any], Iterable[str | None]]) -> set[str]:
    return {
        need
        for registry, names in groups
        for name in names
        if name
        for need in registry[name].needs
    }
