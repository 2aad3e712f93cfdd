"""What a viewer may choose on the tab of the ranking: a measure, and a scorer."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx

from frontend.context import threaded
from frontend.figures.registry import FIGURES
from frontend.pages import links
from frontend.pages.parts import measure_select
from nas.ranking.measures import MeasureName

Component = Any  # Dash's components are generated, without a useful common type

CHOICE_TAB = "ranking"
"""On which there is something to choose."""

MEASURE = "measure"
SCORER = "scorer"
"""Ids of the selects."""

DATA_LINK = "chosen-figure-data"
"""The type of the ids of links to JSON that follow the choice."""


def choices(scorers: Sequence[str], shown: str) -> Component:
    """Return the selects.

    Args:
        scorers: kinds of the run's scorers.
        shown: the scorer to begin with.
    """
    of_scorer = dmc.Select(
        id=SCORER,
        label="Scorer",
        data=list(scorers),
        value=shown,
        allowDeselect=False,
        w=260,
        # With a single scorer there is nothing to choose.
        style={} if len(scorers) > 1 else {"display": "none"},
    )
    of_measure = measure_select(MEASURE, "Measure over steps")
    return dmc.Group([of_scorer, of_measure], justify="flex-end", mb="md")


def link_id(tab: str, figure: str) -> dict[str, str] | None:
    """Return the id of the link to a figure's JSON; None if no choice changes that figure."""
    definition = FIGURES[figure]
    changes = tab == CHOICE_TAB and (definition.has_measure or definition.by_scorer)
    return {"type": DATA_LINK, "name": figure} if changes else None


def register_choices(dash: Dash) -> None:
    """Register that the links of figures lead to what the figures show."""

    @dash.callback(
        Output({"type": DATA_LINK, "name": ALL}, "href"),
        Input(MEASURE, "value"),
        Input(SCORER, "value"),
        State("run-id", "data"),
    )
    @threaded
    def lead(measure: MeasureName, scorer: str, run_id: int) -> list[str]:
        names = [place["id"]["name"] for place in ctx.outputs_list]
        return [
            links.figure_json(
                run_id,
                name,
                measure=measure if FIGURES[name].has_measure else None,
                scorer=scorer if FIGURES[name].by_scorer else None,
            )
            for name in names
        ]
