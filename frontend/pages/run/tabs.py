"""What each tab of the run page holds."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html

from frontend.figures.registry import FIGURES
from frontend.pages import links
from frontend.pages.places import data_link, figure_place, new_ids, panel_place
from frontend.pages.run.choices import CHOICE_TAB, choices, link_id
from frontend.pages.run.grids import GRIDS
from frontend.pages.run.retraining import retraining_form

Component = Any  # Dash's components are generated, without a useful common type

TABS: Mapping[str, str] = {
    "overview": "Overview",
    "training": "Training",
    "ranking": "Ranking",
    "search": "Search",
    "retraining": "Retraining",
    "telemetry": "Telemetry",
    "log": "Units and log",
    "spec": "Spec",
}
FIRST_TAB = "overview"
HEIGHT = 380
"""Of a figure, in pixels, where it has no other."""


def tabs(
    run_id: int, figures: Collection[str], *, scorers: Sequence[str], shown: str
) -> Component:
    """Return the tabs with their figures, panels and grids still empty.

    All of them stay in the page, the hidden ones as they were when last open.

    Args:
        run_id: the run.
        figures: that not every run has, and this one does.
        scorers: its scorers' kinds.
        shown: the scorer to begin with.
    """
    return dmc.Tabs(
        [
            dmc.TabsList([dmc.TabsTab(text, value=tab) for tab, text in TABS.items()]),
            *(
                dmc.TabsPanel(
                    [
                        *([choices(scorers, shown)] if tab == CHOICE_TAB else []),
                        _content(tab, run_id, figures),
                    ],
                    value=tab,
                    pt=16,
                )
                for tab in TABS
            ),
        ],
        id="tabs",
        value=FIRST_TAB,
        mt="md",
    )


def _content(tab: str, run_id: int, figures: Collection[str]) -> Component:
    panel, grid = partial(panel_place, "panel", tab=tab), partial(_grid, tab=tab)
    card = partial(_figure_card, run_id, tab)

    def pair(left: str, right: str, height: int = HEIGHT) -> Component:
        return dmc.SimpleGrid(
            [card(left, height), card(right, height)], cols={"base": 1, "lg": 2}, spacing="md"
        )

    def optional(name: str, height: int) -> list[Component]:
        return [card(name, height)] if name in figures else []

    if tab == "training":
        return dmc.Stack(
            [
                pair("training-loss", "updates-over-steps"),
                *optional("bank-balance", 340),
                card("operation-balance"),
                panel("landmarks"),
            ]
        )
    if tab == CHOICE_TAB:
        return dmc.Stack(
            [
                pair("rank-correlation", "tau-over-steps", 480),
                panel("combinations"),
                panel("correlations"),
            ]
        )
    if tab == "search":
        return dmc.Stack(
            [
                pair("best-so-far", "best-cell", 460),
                *optional("search-in-truth", 420),
                *optional("pareto-front", 460),
                panel("latency"),
                grid("candidates"),
            ]
        )
    if tab == "retraining":
        return dmc.Stack([card("retraining", 520), panel("retrained"), retraining_form(run_id)])
    if tab == "telemetry":
        return dmc.Stack([pair("throughput", "time-shares", 460), panel("telemetry")])
    if tab == "log":
        return dmc.Stack([panel("units"), grid("log")])
    if tab == "spec":
        return panel("spec")
    return dmc.Stack(
        [
            panel("summary"),
            pair("subspace-sizes", "training-balance"),
            pair("rank-correlation", "tau-over-steps"),
            pair("best-so-far", "best-cell"),
            panel("supernets"),
        ]
    )


def _figure_card(run_id: int, tab: str, name: str, height: int = HEIGHT) -> Component:
    properties: dict[str, Any] = {"href": links.figure_json(run_id, name)}  # Any: Dash's
    chosen = link_id(tab, name)
    if chosen is not None:
        properties["id"] = chosen
    link = data_link(FIGURES[name].title, **properties)
    return figure_place("figure", name, link=link, height=height, tab=tab)


def _grid(name: str, tab: str) -> Component:
    definition = GRIDS[name]
    shown, mark = new_ids("grid", name, tab)
    return html.Div(
        [
            dcc.Store(id=mark),
            dag.AgGrid(
                id=shown,
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
