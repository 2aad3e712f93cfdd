"""Empty places of figures and panels, which a callback of their page fills.

The component ids are `{"type": kind, "name": name}`, and `{"type": f"{kind}-mark", ...}` for what
the browser remembers of what it holds (`frontend.live`).
"""

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

Component = Any  # Dash's components are generated, without a useful common type

GRAPH_CONFIG: Any = {  # Any: Dash types it as a dictionary of its own making
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "efsnas-figure"},
}
# Until the first data arrives a graph shows nothing rather than Plotly's empty axes.
BLANK = {
    "data": [],
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
    },
}


def graph(name: str, *, height: int | None = None) -> Component:
    """Return a place for a figure; without a height the figure has its own."""
    style = {} if height is None else {"height": height}
    return dcc.Graph(
        id=name, figure=BLANK, config=GRAPH_CONFIG, style=style, className=f"figure figure-{name}"
    )


def data_link(title: str, **properties: Any) -> Component:
    """Return the link to a figure's JSON, for the corner of a `figure-card`.

    Args:
        title: of the figure, for people.
        **properties: of the link: its address, or the id by which a callback sets it.
    """
    return html.Div(
        html.A("data", target="_blank", title=f"{title} as JSON", **properties),
        className="figure-links",
    )


def panel_place(kind: str, name: str) -> Component:
    """Return the place of a panel."""
    return html.Div(
        [
            html.Div(id={"type": kind, "name": name}),
            dcc.Store(id={"type": f"{kind}-mark", "name": name}),
        ]
    )


def figure_place(kind: str, name: str, *, title: str, data: str, height: int) -> Component:
    """Return a frame for a figure.

    Args:
        kind: of the component ids.
        name: of the figure.
        title: of the figure, for people.
        data: address of the figure as JSON, to which a link leads.
        height: in pixels.
    """
    return dmc.Paper(
        [
            dcc.Store(id={"type": f"{kind}-mark", "name": name}),
            dcc.Graph(
                id={"type": kind, "name": name},
                figure=BLANK,
                config=GRAPH_CONFIG,
                style={"height": height},
                className=f"figure figure-{name}",
            ),
            data_link(title, href=data),
        ],
        withBorder=True,
        p=4,
        # The script that gives a graph its height arrives after the page.
        mih=height,
        className="figure-card",
    )
