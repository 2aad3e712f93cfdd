"""One search space: what it is made of, how many architectures it has, and how they count."""

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html

from backend.spaces import service
from backend.spaces.documents import yaml_text
from backend.spaces.schemas import SizeRead, SpaceRead
from frontend.context import Context, threaded
from frontend.figures.histogram import TITLE as HISTOGRAM_TITLE
from frontend.figures.histogram import histogram
from frontend.figures.numbers import grouped, share, share_text
from frontend.figures.style import Theme
from frontend.pages import links
from frontend.pages.parts import moment_text
from frontend.pages.places import data_link, graph
from nas.spaces.labelling import Reading

Component = Any  # Dash's components are generated, without a useful common type
READINGS: list[dict[str, str]] = [
    {"value": "effective", "label": "effective: on the best path"},
    {"value": "total", "label": "total: on all live paths"},
]


def layout(context: Context, reference: str) -> Component:
    """Return the page of a space, its histogram still to be counted.

    Raises:
        NotFound: if there is no such space.
    """
    with context.db.reading() as session:
        space = service.read_space(session, reference)
    pinned = f"{space.name}@{space.version}"
    return html.Div(
        [
            dcc.Store(id="space-reference", data=pinned),
            dmc.Group(
                [
                    dmc.Stack(
                        [
                            dmc.Group([dmc.Title(pinned, order=2), *_badges(space)], gap="sm"),
                            dmc.Text(_origin(space), size="sm", c="dimmed"),
                        ],
                        gap=2,
                    ),
                    dmc.Group(
                        [
                            dcc.Link(
                                dmc.Button("Edit as a new version", variant="default", size="xs"),
                                href=links.space_editor(pinned),
                            ),
                            dcc.Link(
                                dmc.Button("Preview a partition", size="xs"),
                                href=links.partition_page(pinned),
                            ),
                        ],
                        gap="xs",
                    ),
                ],
                justify="space-between",
                align="flex-start",
                mb="md",
            ),
            sizes(space.size, space.num_decisions),
            dmc.Grid(
                [
                    dmc.GridCol(
                        dmc.Paper(
                            [
                                dmc.SegmentedControl(
                                    id="space-reading",
                                    data=READINGS,
                                    value="effective",
                                    size="xs",
                                    mb="xs",
                                ),
                                dcc.Loading(
                                    graph("space-histogram", height=400),
                                    delay_show=500,
                                    overlay_style={"visibility": "visible", "opacity": 0.5},
                                ),
                                data_link(HISTOGRAM_TITLE, id="space-histogram-data"),
                            ],
                            withBorder=True,
                            p="md",
                            className="figure-card",
                        ),
                        span={"base": 12, "lg": 7},
                    ),
                    dmc.GridCol(
                        dmc.Paper(
                            [
                                dmc.Title("Definition", order=4, mb="xs"),
                                html.Pre(yaml_text(space.definition), className="definition"),
                                dmc.Text(f"SHA-256 {space.content_hash}", className="hash"),
                            ],
                            withBorder=True,
                            p="md",
                        ),
                        span={"base": 12, "lg": 5},
                    ),
                ],
                gutter="md",
                mt="md",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the histogram."""

    @dash.callback(
        Output("space-histogram", "figure"),
        Output("space-histogram-data", "href"),
        Input("space-reading", "value"),
        Input("theme", "data"),
        State("space-reference", "data"),
    )
    @threaded
    def count(reading: Reading, theme: Theme, reference: str) -> tuple[Any, str]:  # Any: a figure
        with context.db.reading() as session:
            rows = service.histogram(session, reference, reading)
        drawn = histogram(reference, rows, reading, theme=theme)
        return drawn, links.space_figure_json(reference, "histogram", reading)


def sizes(size: SizeRead, num_decisions: int) -> Component:
    """Return the exact numbers of a space, every digit of them."""
    dead = int(size.all) - int(size.valid)
    facts = [
        ("Decisions", grouped(num_decisions), "one operation is chosen for each"),
        ("Architectures", grouped(size.all), "all, dead ones included"),
        (
            "Valid",
            grouped(size.valid),
            f"{share_text(share(size.valid, size.all))}: the output depends on the input",
        ),
        ("Dead", grouped(dead), "never sampled, ranked or searched"),
    ]
    return dmc.SimpleGrid(
        [
            dmc.Paper(
                [
                    dmc.Text(name, size="xs", c="dimmed"),
                    dmc.Text(
                        value, fw=600, size="lg" if len(value) < 24 else "sm", className="digits"
                    ),
                    dmc.Text(meaning, size="xs", c="dimmed"),
                ],
                withBorder=True,
                p="sm",
            )
            for name, value, meaning in facts
        ],
        cols={"base": 2, "md": 4},
        spacing="md",
    )


def _badges(space: SpaceRead) -> list[Component]:
    badges = [dmc.Badge(space.kind, variant="light", color="gray", tt="none")]
    if space.built_in:
        badges.append(dmc.Badge("built in", variant="light", color="indigo", tt="none"))
    return badges


def _origin(space: SpaceRead) -> str:
    runs = {0: "no run uses it yet", 1: "1 run uses it"}.get(
        space.num_runs, f"{space.num_runs:,} runs use it"
    )
    return f"Stored {moment_text(space.created_at)}, never changed since; {runs}."
