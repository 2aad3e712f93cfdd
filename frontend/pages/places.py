"""Empty places of figures and panels, which a callback of their page fills.

A place is two components: one that shows, and the mark of what the browser holds (`frontend.live`).
Their ids say on which tab they are, if on one, so that only the open tab is drawn. And every place
that is made has a key of its own: an answer that comes late, when another page has been opened,
finds nothing to write to, rather than a new place in which it would change what is not there.
"""

import secrets
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, dcc, html

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


def graph(name: str, *, figure: Any = BLANK, height: int | None = None) -> Component:
    """Return a place for a figure, blank at first; without a height the figure has its own."""
    style = {} if height is None else {"height": height}
    drawn = dcc.Graph(
        id=name, figure=figure, config=GRAPH_CONFIG, style=style, className=f"figure figure-{name}"
    )
    return html.Div(drawn, className="figure-scroll")


def new_ids(kind: str, name: str, tab: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Return the ids of a new place: of what shows, and of its mark."""
    own = {"name": name, "tab": tab, "key": secrets.token_hex(4)}
    return {"type": kind, **own}, {"type": f"{kind}-mark", **own}


def all_shown(kind: str) -> dict[str, Any]:  # Any: Dash's wildcards
    """Return the pattern of what shows, in every place of a kind."""
    return {"type": kind, "name": ALL, "tab": ALL, "key": ALL}


def all_marks(kind: str) -> dict[str, Any]:  # Any: Dash's wildcards
    """Return the pattern of the marks of every place of a kind, in the order of `all_shown`."""
    return all_shown(f"{kind}-mark")


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


def panel_place(kind: str, name: str, tab: str = "") -> Component:
    """Return the place of a panel."""
    shown, mark = new_ids(kind, name, tab)
    return html.Div([html.Div(id=shown), dcc.Store(id=mark)])


def figure_place(
    kind: str, name: str, *, link: Component, height: int, tab: str = ""
) -> Component:
    """Return a frame for a figure.

    Args:
        kind: of the component ids.
        name: of the figure.
        link: to the figure's JSON, as `data_link` makes it.
        height: in pixels.
        tab: on which it is; empty if on none.
        **link: properties of the link to the figure as JSON.
    """
    shown, mark = new_ids(kind, name, tab)
    return dmc.Paper(
        [
            dcc.Store(id=mark),
            html.Div(
                dcc.Graph(
                    id=shown,
                    figure=BLANK,
                    config=GRAPH_CONFIG,
                    style={"height": height},
                    className=f"figure figure-{name}",
                ),
                className="figure-scroll",
            ),
            link,
        ],
        withBorder=True,
        p=4,
        # The script that gives a graph its height arrives after the page.
        mih=height,
        className="figure-card",
    )
