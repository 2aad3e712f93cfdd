"""Several runs side by side, live: a pulse asks for their revisions, and changes alone are sent."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from pydantic import TypeAdapter, ValidationError

from backend.errors import ApiError
from backend.runs import service
from backend.validation import field_errors, sentence
from frontend.context import Context, threaded
from frontend.figures.chosen import Chosen
from frontend.figures.comparison.registry import COMPARISONS
from frontend.figures.comparison.runs import MOST_RUNS, RunIds
from frontend.live import changes, replacement
from frontend.pages import links
from frontend.pages.compare.panels import COMPARISON_PANELS
from frontend.pages.parts import measure_select
from frontend.pages.places import all_marks, all_shown, data_link, figure_place, panel_place
from frontend.pages.pulse import register_pulse
from frontend.rows import read_compared
from nas.ranking.measures import MeasureName

PULSE_MILLISECONDS = 2000
FIGURE = "compared-figure"
PANEL = "compared-panel"
MEASURE = "compared-measure"
DATA_LINK = "compared-figure-data"
"""The type of the ids of links to JSON that follow the chosen measure."""
WIDE = ("best-so-far",)
HEIGHT = 380
ROOMY_RUNS = 6
HEIGHT_PER_RUN = 18
"""Pixels that a figure grows by for every run beyond `ROOMY_RUNS`: a row, or its legend."""

Component = Any  # Dash's components are generated, without a useful common type


def chosen_runs(search: str) -> list[int]:
    """Return the runs that the query part of an address names; none if it names none.

    Raises:
        ApiError: if they cannot be compared.
    """
    named = parse_qs(search.removeprefix("?")).get("run", [])
    if not named:
        return []
    adapter: TypeAdapter[list[int]] = TypeAdapter(RunIds)
    try:
        return adapter.validate_python(named)
    except ValidationError as error:
        found = [
            {**item, "loc": ("run", *item["loc"])} for item in error.errors(include_url=False)
        ]
        raise ApiError(sentence(field_errors(found)), 422) from error


def layout(context: Context, run_ids: Sequence[int]) -> Component:
    """Return the comparison of some runs, still without its figures, or how to choose them.

    Raises:
        NotFound: if one of the runs does not exist.
    """
    if not run_ids:
        return _how_to_choose()
    with context.db.reading() as session:
        revisions = service.get_revisions(session, run_ids)
    height = HEIGHT + HEIGHT_PER_RUN * max(0, len(run_ids) - ROOMY_RUNS)
    return html.Div(
        [
            dcc.Store(id="compared-runs", data=list(run_ids)),
            dcc.Store(id="compared-revisions", data=revisions),
            dcc.Interval(id="compare-pulse", interval=PULSE_MILLISECONDS),
            dmc.Title(f"Comparison of {len(run_ids)} run{'s' * (len(run_ids) > 1)}", order=2),
            dmc.Stack(
                [
                    panel_place(PANEL, "ground"),
                    panel_place(PANEL, "results"),
                    panel_place(PANEL, "spec"),
                    dmc.Group(
                        measure_select(MEASURE, "Measure of the rankings"), justify="flex-end"
                    ),
                    dmc.Grid(
                        [
                            dmc.GridCol(
                                figure_place(
                                    FIGURE, name, link=_data_link(run_ids, name), height=height
                                ),
                                span={"base": 12, "lg": 12 if name in WIDE else 6},
                            )
                            for name in COMPARISONS
                        ],
                        gutter="md",
                    ),
                ]
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the pulse, the update and the links that follow the choice."""

    register_pulse(
        dash, context, pulse="compare-pulse", revisions="compared-revisions", runs="compared-runs"
    )
    _register_update(dash, context)
    _register_links(dash)


def _register_update(dash: Dash, context: Context) -> None:
    @dash.callback(
        Output(all_shown(FIGURE), "figure"),
        Output(all_marks(FIGURE), "data"),
        Output(all_shown(PANEL), "children"),
        Output(all_marks(PANEL), "data"),
        Input("compared-revisions", "data"),
        Input("theme", "data"),
        Input(MEASURE, "value"),
        State(all_marks(FIGURE), "data"),
        State(all_marks(PANEL), "data"),
        State("compared-runs", "data"),
    )
    @threaded
    def update(
        _: list[int],
        theme: str,
        measure: MeasureName,
        figure_marks: list[Any],
        panel_marks: list[Any],
        run_ids: list[int],
    ) -> tuple[list[Any], ...]:
        figures, panels = (
            [place["id"]["name"] for place in ctx.outputs_list[index]] for index in (0, 2)
        )
        needs = {need for name in figures for need in COMPARISONS[name].needs}
        needs |= {need for name in panels for need in COMPARISON_PANELS[name].needs}
        chosen = Chosen(measure)
        runs = read_compared(context.db, run_ids, needs, chosen)
        sent = (
            [
                changes(COMPARISONS[name].of(runs, theme, chosen), mark)
                for name, mark in zip(figures, figure_marks, strict=True)
            ],
            [
                replacement(COMPARISON_PANELS[name].draw(runs), mark)
                for name, mark in zip(panels, panel_marks, strict=True)
            ],
        )
        return tuple(
            [getattr(change, part) for change in group]
            for group in sent
            for part in ("content", "mark")
        )


def _register_links(dash: Dash) -> None:
    @dash.callback(
        Output({"type": DATA_LINK, "name": ALL}, "href"),
        Input(MEASURE, "value"),
        State("compared-runs", "data"),
    )
    @threaded
    def lead(measure: MeasureName, run_ids: list[int]) -> list[str]:
        names = [place["id"]["name"] for place in ctx.outputs_list]
        return [links.comparison_json(run_ids, name, measure=measure) for name in names]


def _data_link(run_ids: Sequence[int], name: str) -> Component:
    definition = COMPARISONS[name]
    properties: dict[str, Any] = {"href": links.comparison_json(run_ids, name)}  # Any: Dash's
    if definition.has_measure:
        properties["id"] = {"type": DATA_LINK, "name": name}
    return data_link(definition.title, **properties)


def _how_to_choose() -> Component:
    return dmc.Center(
        dmc.Stack(
            [
                dmc.Title("Compare runs", order=2, c="dimmed"),
                dmc.Text(
                    f"Select two to {MOST_RUNS} runs in the list, then press Compare; the address "
                    "of a comparison can be shared."
                ),
                dcc.Link("To the runs", href=links.runs_page()),
            ],
            align="center",
            gap="xs",
        ),
        h=320,
    )
