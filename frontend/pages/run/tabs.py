"""What each tab of the run page holds."""

from collections.abc import Mapping
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html

from frontend.figures.registry import FIGURES
from frontend.pages import links
from frontend.pages.places import figure_place, panel_place
from frontend.pages.run.grids import GRIDS

Component = Any  # Dash's components are generated, without a useful common type

TABS: Mapping[str, str] = {
    "overview": "Overview",
    "training": "Training",
    "ranking": "Ranking",
    "search": "Search",
    "log": "Units and log",
    "spec": "Spec",
}


def tab_content(tab: str, run_id: int, *, banked: bool = False) -> Component:
    """Return a tab with its figures, panels and grids still empty.

    Args:
        tab: one of `TABS`.
        run_id: the run.
        banked: whether its supernet has weight banks.
    """
    if tab == "training":
        return dmc.Stack(
            [
                _pair(run_id, "training-loss", "updates-over-steps"),
                *([figure_card(run_id, "bank-balance", height=340)] if banked else []),
                figure_card(run_id, "operation-balance", height=380),
            ]
        )
    if tab == "ranking":
        return dmc.Stack(
            [_pair(run_id, "rank-correlation", "tau-over-steps", 480), panel("correlations")]
        )
    if tab == "search":
        return dmc.Stack([_pair(run_id, "best-so-far", "best-cell", 460), grid("candidates")])
    if tab == "log":
        return dmc.Stack([panel("units"), grid("log")])
    if tab == "spec":
        return panel("spec")
    return dmc.Stack(
        [
            panel("summary"),
            _pair(run_id, "subspace-sizes", "training-balance"),
            _pair(run_id, "rank-correlation", "tau-over-steps"),
            _pair(run_id, "best-so-far", "best-cell"),
        ]
    )


def panel(name: str) -> Component:
    """Return the place of a panel."""
    return panel_place("panel", name)


def grid(name: str) -> Component:
    """Return an empty grid."""
    definition = GRIDS[name]
    return html.Div(
        [
            dcc.Store(id={"type": "grid-mark", "name": name}),
            dag.AgGrid(
                id={"type": "grid", "name": name},
                columnDefs=definition.columns,
                rowData=[],
                getRowId="params.data.key",
                defaultColDef={"sortable": True, "resizable": True},
                dashGridOptions={
                    "rowHeight": 36,
                    "tooltipShowDelay": 300,
                    "suppressCellFocus": True,
                    "localeText": {"noRowsToShow": definition.empty},
                },
                csvExportParams={"fileName": f"{name}.csv"},
                style={"height": 460},
            ),
        ]
    )


def figure_card(run_id: int, name: str, height: int = 380) -> Component:
    """Return the place of a figure."""
    return figure_place(
        "figure",
        name,
        title=FIGURES[name].title,
        data=links.figure_json(run_id, name),
        height=height,
    )


def _pair(run_id: int, left: str, right: str, height: int = 380) -> Component:
    return dmc.SimpleGrid(
        [figure_card(run_id, left, height), figure_card(run_id, right, height)],
        cols={"base": 1, "lg": 2},
        spacing="md",
    )
