"""Small pieces that several pages show alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import dcc

from backend.runs.measures import title_with_unit
from frontend.pages import links
from nas.ranking.measures import MEASURES

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


def table(
    head: list[Any], body: list[list[Any]], class_name: str = "tabular"
) -> Any:  # Any: Dash components
    """Return a table that scrolls sideways where the window is narrow."""
    return dmc.TableScrollContainer(
        dmc.Table(
            [
                dmc.TableThead(dmc.TableTr([dmc.TableTh(cell) for cell in head])),
                dmc.TableTbody([dmc.TableTr([dmc.TableTd(cell) for cell in row]) for row in body]),
            ],
            withTableBorder=True,
            highlightOnHover=True,
            verticalSpacing=6,
            className=class_name,
            fz="sm",
        ),
        minWidth=800,
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


def measure_select(name: str, label: str) -> Any:  # Any: a Dash component
    """Return the choice of a measure of rankings, tau-b at first.

    Args:
        name: its id.
        label: above it.
    """
    return dmc.Select(
        id=name,
        label=label,
        data=[{"value": measure, "label": title_with_unit(measure)} for measure in MEASURES],
        value="tau",
        allowDeselect=False,
        w=320,
    )


def alert(title: str, text: str) -> Any:  # Any: a Dash component
    """Return a refusal, its lines kept apart."""
    return dmc.Alert(
        text, title=title, color="red", variant="light", mt="sm", style={"whiteSpace": "pre-line"}
    )


def notification(title: str, message: str, colour: str) -> dict[str, Any]:  # Any: JSON
    """Return what shows for some seconds in the corner of the page."""
    return {
        "action": "show",
        "title": title,
        "message": message,
        "color": colour,
        "autoClose": 6000,
    }
