"""A benchmark's column: how its results spread, and how much of the space it knows."""

import plotly.graph_objects as go

from backend.benchmarks.schemas import ColumnRead, CoverageRead
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.style import (
    OKABE_ITO,
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    translucent,
)

DISTRIBUTION_TITLE = "Results per nonlinearity count"
COVERAGE_TITLE = "Coverage per nonlinearity count"
COUNT_AXIS = "nonlinear functions on the path that has most"
COLOUR = OKABE_ITO[4]
MOST_TICKS = 24
MOST_TEXTS = 12


def distribution(
    name: str, column: ColumnRead, coverage: CoverageRead, *, theme: Theme = "light"
) -> go.Figure:
    """Draw lowest, quartiles and highest of the valid architectures of every count.

    Args:
        name: of the benchmark.
        column: what was measured.
        coverage: of this column.
        theme: light or dark.
    """
    revision = f"distribution-{name}-{column.name}"
    known = [part for part in coverage.by_count if part.quantiles]
    if not known:
        return empty_figure(
            DISTRIBUTION_TITLE,
            f"No valid architecture with {column.name} is in this benchmark.",
            theme=theme,
            uirevision=revision,
        )
    drawn = figure(
        DISTRIBUTION_TITLE,
        f"n = {column.num_valid:,} valid architectures;<br>{column.name} in {column.unit}, "
        f"{ceiling_words(column)}",
        theme=theme,
        uirevision=revision,
    )
    lowest, lower, middle, upper, highest = zip(*(part.quantiles for part in known), strict=True)
    drawn.add_box(
        name=column.name,
        x=[part.count for part in known],
        lowerfence=list(lowest),
        q1=list(lower),
        median=list(middle),
        q3=list(upper),
        upperfence=list(highest),
        line={"color": COLOUR, "width": 1.5},
        fillcolor=translucent(COLOUR, 0.25),
        hoverinfo="skip",
        showlegend=False,
    )
    # A box tells of itself only where the pointer meets its lines; these tell of all of it.
    drawn.add_scatter(
        name="median",
        x=[part.count for part in known],
        y=list(middle),
        mode="markers",
        marker={"color": COLOUR, "size": 7},
        customdata=[
            [grouped(part.known_valid), *(f"{value:.4g}" for value in part.quantiles)]
            for part in known
        ],
        hovertemplate="count %{x}, n = %{customdata[0]}<br>highest %{customdata[5]}<br>"
        "upper quartile %{customdata[4]}<br>median %{customdata[3]}<br>"
        "lower quartile %{customdata[2]}<br>lowest %{customdata[1]}<extra></extra>",
        showlegend=False,
    )
    drawn.update_layout(
        margin={"t": 92},
        xaxis={"title": {"text": COUNT_AXIS}, "dtick": 1 if len(known) <= MOST_TICKS else None},
        yaxis={"title": {"text": f"{column.metric}, {column.unit}"}},
    )
    return drawn


def coverage_bars(
    name: str, column: ColumnRead, coverage: CoverageRead, *, theme: Theme = "light"
) -> go.Figure:
    """Draw which share of the valid architectures of every count has a result."""
    revision = f"coverage-{name}-{column.name}"
    parts = [part for part in coverage.by_count if int(part.valid)]
    if not parts:
        return empty_figure(
            COVERAGE_TITLE,
            "The search space has no valid architecture.",
            theme=theme,
            uirevision=revision,
        )
    total = sum(int(part.valid) for part in parts)
    known = sum(part.known_valid for part in parts)
    drawn = figure(
        COVERAGE_TITLE,
        f"n = {known:,} of {short(total)} valid architectures;<br>"
        f"{column.name}, {share_text(share(known, total))} known",
        theme=theme,
        uirevision=revision,
    )
    shares = [share(part.known_valid, part.valid) for part in parts]
    counts = [part.count for part in parts]
    drawn.add_bar(
        name="known",
        x=counts,
        y=[100 * value for value in shares],
        marker={"color": COLOUR},
        text=[share_text(value) for value in shares] if len(parts) <= MOST_TEXTS else None,
        customdata=[[grouped(part.known_valid), grouped(part.valid)] for part in parts],
        hovertemplate="count %{x}<br>%{customdata[0]} of %{customdata[1]} known<extra></extra>",
    )
    if known < total:
        drawn.add_bar(
            name="not known",
            x=counts,
            y=[100 * (1 - value) for value in shares],
            marker={"color": translucent(SHARED_COLOUR, 0.35)},
            customdata=[[grouped(int(part.valid) - part.known_valid)] for part in parts],
            hovertemplate="count %{x}<br>%{customdata[0]} not known<extra></extra>",
        )
    drawn.update_layout(
        margin={"t": 92},
        barmode="stack",
        bargap=0.2,
        xaxis={"title": {"text": COUNT_AXIS}, "dtick": 1 if len(parts) <= MOST_TICKS else None},
        yaxis={"title": {"text": "% of the valid architectures"}, "range": [0, 100]},
    )
    return drawn


def ceiling_words(column: ColumnRead) -> str:
    """Return the noise ceiling of a column in words."""
    if column.noise_ceiling is None:
        return "noise ceiling unknown"
    return f"noise ceiling {column.noise_ceiling:.3f}"
