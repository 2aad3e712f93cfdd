"""What the figures of several runs share in their drawing."""

from collections.abc import Sequence

import plotly.graph_objects as go

from frontend.figures.comparison.runs import ComparedRun, numbers_of
from frontend.figures.style import LINE_HEIGHT, MUTED, Theme, empty_figure, figure


def started(
    name: str,
    title: str,
    captions: Sequence[str],
    runs: Sequence[ComparedRun],
    *,
    theme: Theme,
    notes: Sequence[str] = (),
) -> go.Figure:
    """Start a figure.

    Args:
        name: of the figure, and of what is chosen in it.
        title: what is shown.
        captions: units, n and conditions, under the title; empty ones are left out.
        runs: all runs of the comparison.
        theme: light or dark.
        notes: what to beware of, on a line of their own; empty ones are left out.
    """
    lines = [" · ".join(filter(None, texts)) for texts in (captions, notes)]
    caption = "<br>".join(filter(None, lines))
    drawn = figure(title, caption, theme=theme, uirevision=revision(name, runs))
    if lines[1]:
        drawn.update_layout(margin={"t": drawn.layout.template.layout.margin.t + LINE_HEIGHT})
    return drawn


def nothing(
    name: str, title: str, message: str, runs: Sequence[ComparedRun], *, theme: Theme
) -> go.Figure:
    """Return the figure of runs that have nothing to show yet, or ever."""
    return empty_figure(title, message, theme=theme, uirevision=revision(name, runs))


def unlike(aspects: Sequence[str]) -> str:
    """Return, as a note, in what runs differ that ought to be alike."""
    return f"<b>the runs differ in {', '.join(aspects)}</b>" if aspects else ""


def lacking(runs: Sequence[ComparedRun], shown: Sequence[ComparedRun]) -> str:
    """Return, as a note, which of the runs are not shown."""
    missing = [one for one in runs if one not in shown]
    return f"nothing to show of {numbers_of(missing)}" if missing else ""


def revision(name: str, runs: Sequence[ComparedRun]) -> str:
    """Return what stays the same while the same runs are compared."""
    return f"{name}-{'-'.join(str(one.run.id) for one in runs)}"


def give_each_run_a_row(
    drawn: go.Figure,
    runs: Sequence[ComparedRun],
    *,
    marks: Sequence[float | None],
    words: Sequence[str | None],
    theme: Theme,
) -> None:
    """Make the y axis a list of the runs from the top, whether or not each has data.

    Args:
        drawn: a figure whose traces have the runs' labels as y.
        runs: all runs of the comparison.
        marks: x of a tick across each run's row; None for none.
        words: what an empty row says instead; None for nothing.
        theme: light or dark.
    """
    colour = MUTED[theme]
    drawn.update_layout(
        showlegend=False,
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [one.label for one in runs],
            "range": [len(runs) - 0.5, -0.5],
            "fixedrange": True,
        },
        # All at once: added one by one, each would copy those before it.
        shapes=[
            {
                "type": "line",
                "x0": x,
                "x1": x,
                "y0": one.place - 0.4,
                "y1": one.place + 0.4,
                "line": {"color": colour, "width": 2.5},
            }
            for one, x in zip(runs, marks, strict=True)
            if x is not None
        ],
        annotations=[
            {
                "text": text,
                "xref": "paper",
                "x": 0.01,
                "xanchor": "left",
                "y": one.label,
                "showarrow": False,
                "font": {"size": 11, "color": colour},
            }
            for one, text in zip(runs, words, strict=True)
            if text is not None
        ],
    )
