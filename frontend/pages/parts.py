"""Small pieces that several pages show alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import dcc

from frontend.pages import links

STATE_COLOURS = {
    "queued": "gray",
    "running": "indigo",
    "pausing": "yellow",
    "paused": "yellow",
    "cancelling": "orange",
    "cancelled": "orange",
    "succeeded": "teal",
    "failed": "red",
    "waiting": "gray",
    "ready": "cyan",
    "leased": "indigo",
    "lost": "orange",
    "done": "teal",
}

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


def state_badge(state: str, size: str = "md") -> Any:  # Any: a Dash component
    """Return a state in its colour."""
    return dmc.Badge(
        state, color=STATE_COLOURS.get(state, "gray"), variant="light", size=size, tt="none"
    )


def problem(heading: str, message: str) -> Any:  # Any: a Dash component
    """Return a page that says what went wrong and leads back to the list."""
    return dmc.Center(
        dmc.Stack(
            [
                dmc.Title(heading, order=2, c="dimmed"),
                dmc.Text(message),
                dcc.Link("Back to the runs", href=links.runs_page()),
            ],
            align="center",
            gap="xs",
        ),
        h=320,
    )


def duration_text(span: timedelta) -> str:
    """Return a duration in its two largest units."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


def moment_text(moment: datetime | None) -> str:
    """Return a moment in UTC to the minute."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def graph(name: str, *, height: int | None = None) -> Any:  # Any: a Dash component
    """Return a place for a figure; without a height the figure has its own."""
    style = {} if height is None else {"height": height}
    return dcc.Graph(
        id=name, figure=BLANK, config=GRAPH_CONFIG, style=style, className=f"figure figure-{name}"
    )


def alert(title: str, text: str) -> Any:  # Any: a Dash component
    """Return a refusal, its lines kept apart."""
    return dmc.Alert(
        text, title=title, color="red", variant="light", mt="sm", style={"whiteSpace": "pre-line"}
    )
