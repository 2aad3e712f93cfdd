"""What every figure shares: one colour per sub-space, two themes, and the designed empty state."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Literal, TypeVar

import plotly.graph_objects as go

MOST_CHARACTERS = 46
"""Of a line of text that the narrowest figures still show, on a telephone."""

Theme = Literal["light", "dark"]
Point = TypeVar("Point")

# Okabe & Ito (2008): eight colours that stay apart under the common colour-vision deficiencies.
# Their black is left out because it vanishes on the dark theme.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot")

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
INK = {"light": "#212529", "dark": "#e9ecef"}
MUTED = {"light": "#5c6770", "dark": "#a6afb8"}
GRID = {"light": "#e9ecef", "dark": "#373a40"}
SHARED_COLOUR = "#868E96"
"""What belongs to no single sub-space: the warm-up's shared supernet."""


def subspace_colour(index: int) -> str:
    """Return the colour of sub-space `index`, the same in every figure and on every page."""
    return OKABE_ITO[index % len(OKABE_ITO)]


def subspace_symbol(index: int) -> str:
    """Return the marker of sub-space `index`; with the colour it tells 49 sub-spaces apart."""
    return SYMBOLS[(index + index // len(OKABE_ITO)) % len(SYMBOLS)]


def subspace_dash(index: int) -> str:
    """Return the line style of sub-space `index`; it changes where the colours repeat."""
    return DASHES[index // len(OKABE_ITO) % len(DASHES)]


def translucent(colour: str, alpha: float) -> str:
    """Return the `#rrggbb` colour with an opacity, as Plotly's rgba text."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def template(theme: Theme) -> go.layout.Template:
    """Return the layout defaults of one theme; the background is the page's own."""
    axis = {
        "gridcolor": GRID[theme],
        "linecolor": GRID[theme],
        "zerolinecolor": GRID[theme],
        "tickcolor": GRID[theme],
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 12, "color": MUTED[theme]}},
        "tickfont": {"size": 11, "color": MUTED[theme]},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": INK[theme]},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(OKABE_ITO),
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 56, "r": 16, "t": 76, "b": 48},
            "title": {
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "pad": {"l": 12},
                "y": 0.97,
                "yref": "container",
                "yanchor": "top",
                "font": {"size": 15, "weight": 600},
                "subtitle": {"font": {"size": 12, "color": MUTED[theme]}},
            },
            "legend": {
                "orientation": "h",
                "xref": "container",
                "x": 0.02,
                "yref": "container",
                "y": 0.02,
                "yanchor": "bottom",
                "font": {"size": 11},
            },
            "hoverlabel": {"font": {"family": FONT, "size": 12}},
            "modebar": {
                "bgcolor": "rgba(0,0,0,0)",
                "color": MUTED[theme],
                "activecolor": INK[theme],
            },
        }
    )


def figure(title: str, caption: str, *, theme: Theme, uirevision: str) -> go.Figure:
    """Start a figure.

    Args:
        title: what is shown.
        caption: the conditions it depends on (n, units, steps), under the title.
        theme: light or dark.
        uirevision: constant per run and figure, so that new data keeps the viewer's zoom.
    """
    return go.Figure(
        layout={
            "template": template(theme),
            "title": {"text": title, "subtitle": {"text": caption}},
            "uirevision": uirevision,
        }
    )


def empty_figure(title: str, message: str, *, theme: Theme, uirevision: str) -> go.Figure:
    """Return a figure without data that says in words what will appear, and when."""
    drawn = figure(title, "", theme=theme, uirevision=uirevision)
    drawn.update_layout(xaxis={"visible": False}, yaxis={"visible": False})
    drawn.add_annotation(
        text="<br>".join(wrap(message, MOST_CHARACTERS)),
        showarrow=False,
        xref="paper",
        yref="paper",
        x=0.5,
        y=0.5,
        align="center",
        font={"size": 13, "color": MUTED[theme]},
    )
    return drawn


def is_empty(drawn: go.Figure) -> bool:
    """Tell whether a figure holds no trace, which is the designed empty state."""
    return len(drawn.data) == 0


LINE_HEIGHT = 18
"""Pixels of one more line under the title."""

SWITCH_MARGIN = 122
"""Above the plot, pixels: for title, a caption of two lines, and a switch on a line of its own."""


def scale_switch(
    axis: Literal["xaxis", "yaxis"], theme: Theme, *, bottom: float = 1.02
) -> dict[str, object]:
    """Return buttons above the plot that make an axis linear or logarithmic.

    Args:
        axis: which.
        theme: light or dark.
        bottom: their lower edge, 1 being the top of the plot.
    """
    return {
        "type": "buttons",
        "direction": "right",
        "x": 1,
        "xanchor": "right",
        "y": bottom,
        "yanchor": "bottom",
        "pad": {"t": 0, "r": 0},
        "font": {"size": 11, "color": MUTED[theme]},
        "bgcolor": "rgba(0,0,0,0)",
        "bordercolor": GRID[theme],
        # Plotly paints the pressed button near white, whatever the theme.
        "showactive": False,
        "buttons": [
            {
                "label": kind,
                "method": "relayout",
                "args": [{f"{axis}.type": kind, f"{axis}.autorange": True}],
            }
            for kind in ("linear", "log")
        ],
    }


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Keep at most about `most` points, the last always among them.

    The stride is a power of two, so a growing series keeps its earlier points and only the new
    ones need to travel.
    """
    stride = 1
    while len(points) > most * stride:
        stride *= 2
    kept = list(points[::stride])
    if points and (len(points) - 1) % stride:
        kept.append(points[-1])
    return kept
