"""One benchmark: its columns, their coverage and spread, and the best architectures."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import yaml
from dash import Dash, Input, Output, State, dcc, html

from backend.benchmarks import service
from backend.benchmarks.schemas import BenchmarkDetail, ColumnRead, EntryQuery, EntryRead
from frontend.context import Context, threaded
from frontend.figures.benchmark import (
    COVERAGE_TITLE,
    DISTRIBUTION_TITLE,
    coverage_bars,
    distribution,
)
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.style import Theme
from frontend.pages import links
from frontend.pages.parts import moment_text, table
from frontend.pages.places import data_link, graph

Component = Any  # Dash's components are generated, without a useful common type
NUM_BEST = 10


def layout(context: Context, reference: str) -> Component:
    """Return the page of a benchmark, its figures still to be drawn.

    Raises:
        NotFound: if there is no such benchmark.
    """
    with context.db.reading() as session:
        found = service.read_benchmark(session, reference)
    pinned = f"{found.name}@{found.version}"
    return html.Div(
        [
            dcc.Store(id="benchmark-reference", data=pinned),
            dmc.Title(pinned, order=2),
            dmc.Text(
                [
                    "Results over ",
                    dcc.Link(found.space, href=links.space_page(found.space)),
                    f", stored {moment_text(found.created_at)}, never changed since.",
                ],
                size="sm",
                c="dimmed",
                mb="md",
            ),
            facts(found),
            *warnings(found),
            dmc.Title("Columns", order=4, mt="md", mb="xs"),
            columns_table(found.columns),
            dmc.Select(
                id="benchmark-column",
                label="Shown below",
                data=[column.name for column in found.columns],
                value=found.truth or found.columns[0].name,
                allowDeselect=False,
                w=320,
                mt="md",
                # A choice of one is none; the callbacks read its value all the same.
                display="block" if len(found.columns) > 1 else "none",
            ),
            dmc.SimpleGrid(
                [
                    _figure_card("benchmark-distribution", DISTRIBUTION_TITLE),
                    _figure_card("benchmark-coverage", COVERAGE_TITLE),
                ],
                cols={"base": 1, "lg": 2},
                spacing="md",
                mt="md",
            ),
            dmc.Title("Best valid architectures", order=4, mt="md", mb="xs"),
            html.Div(id="benchmark-best"),
            _recipe(found),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register what depends on the column that is shown."""

    @dash.callback(
        Output("benchmark-distribution", "figure"),
        Output("benchmark-coverage", "figure"),
        Output("benchmark-distribution-data", "href"),
        Output("benchmark-coverage-data", "href"),
        Output("benchmark-best", "children"),
        Input("benchmark-column", "value"),
        Input("theme", "data"),
        State("benchmark-reference", "data"),
    )
    @threaded
    def show(name: str, theme: Theme, reference: str) -> tuple[Any, ...]:  # Any: figures and texts
        asked = EntryQuery(column=name, order="best", valid=True)
        with context.db.reading() as session:
            column, coverage = service.read_coverage(session, reference, name)
            best = service.list_entries(session, reference, asked, NUM_BEST).items
        return (
            distribution(reference, column, coverage, theme=theme),
            coverage_bars(reference, column, coverage, theme=theme),
            links.benchmark_figure_json(reference, "distribution", name),
            links.benchmark_figure_json(reference, "coverage", name),
            best_table(column, best),
        )


def facts(found: BenchmarkDetail) -> Component:
    """Return how much of the space is known, and how far the ground truth can be trusted."""
    truth = next((column for column in found.columns if column.is_truth), None)
    known = share_text(share(found.num_entries, found.space_all))
    valid = share_text(share(found.num_valid, found.space_valid))
    seeds, ceiling, measured = "unknown", "unknown", "the table came without seeds"
    if truth is not None and truth.seeds is not None:
        seeds = str(len(truth.seeds))
    if truth is not None and truth.noise_ceiling is not None:
        ceiling, measured = f"{truth.noise_ceiling:.3f}", "τ-b between halves of the seeds"
        if truth.noise_architectures is not None:
            measured += f" over {truth.noise_architectures:,} architectures"
    shown = [
        (
            "Architectures",
            grouped(found.num_entries),
            f"{known} of {short(found.space_all)}, dead ones included",
        ),
        ("Valid", grouped(found.num_valid), f"{valid} of {short(found.space_valid)}"),
        ("Ground truth", found.truth or "none", f"seeds: {seeds}"),
        ("Noise ceiling", ceiling, measured),
    ]
    return dmc.SimpleGrid(
        [
            dmc.Paper(
                [
                    dmc.Text(name, size="xs", c="dimmed"),
                    dmc.Text(value, fw=600, size="lg", className="digits"),
                    dmc.Text(meaning, size="xs", c="dimmed"),
                ],
                withBorder=True,
                p="sm",
            )
            for name, value, meaning in shown
        ],
        cols={"base": 2, "md": 4},
        spacing="md",
    )


def warnings(found: BenchmarkDetail) -> list[Component]:
    """Return what was accepted and may still be wrong."""
    return [
        dmc.Alert(
            text,
            title="The same network under several strings",
            color="yellow",
            variant="light",
            mt="md",
            style={"overflowWrap": "anywhere"},
        )
        for text in found.warnings
    ]


def columns_table(columns: Sequence[ColumnRead]) -> Component:
    """Return what was measured, a line per column."""
    head = ["column", "unit", "known", "valid", "lowest", "highest", "seeds", "noise ceiling"]
    body: list[list[Component]] = [
        [
            dmc.Group(
                [
                    html.Code(column.name),
                    *(
                        [dmc.Badge("ground truth", size="xs", tt="none")]
                        if column.is_truth
                        else []
                    ),
                ],
                gap="xs",
            ),
            column.unit,
            grouped(column.num_known),
            grouped(column.num_valid),
            "–" if column.lowest is None else f"{column.lowest:.6g}",
            "–" if column.highest is None else f"{column.highest:.6g}",
            "unknown" if column.seeds is None else str(len(column.seeds)),
            _ceiling(column),
        ]
        for column in columns
    ]
    return table(head, body)


def best_table(column: ColumnRead, entries: Sequence[EntryRead]) -> Component:
    """Return the best architectures of a column."""
    if not entries:
        return dmc.Text(f"No valid architecture with {column.name} is known.", c="dimmed")
    head = ["rank", "architecture", f"{column.name}, {column.unit}", "nonlinearity count"]
    values = [entry.value for entry in entries]
    body: list[list[Component]] = [
        [
            # Equal results share the better rank.
            str(1 + values.index(entry.value)),
            html.Code(entry.architecture),
            f"{entry.value:.6g}",
            str(entry.count),
        ]
        for entry in entries
    ]
    return table(head, body)


def _ceiling(column: ColumnRead) -> str:
    if column.metric != "accuracy":
        return "–"
    return "unknown" if column.noise_ceiling is None else f"{column.noise_ceiling:.3f}"


def _figure_card(name: str, title: str) -> Component:
    return dmc.Paper(
        [graph(name, height=400), data_link(title, id=f"{name}-data")],
        withBorder=True,
        p="md",
        className="figure-card",
    )


def _recipe(found: BenchmarkDetail) -> Component:
    text = yaml.safe_dump(found.recipe, sort_keys=False, allow_unicode=True)
    return dmc.Paper(
        [
            dmc.Title("Recipe", order=4, mb="xs"),
            html.Pre(text, className="definition")
            if found.recipe
            else dmc.Text("The table does not tell how it was trained.", size="sm", c="dimmed"),
            dmc.Text(f"SHA-256 {found.sha256}", className="hash"),
        ],
        withBorder=True,
        p="md",
        mt="md",
    )
