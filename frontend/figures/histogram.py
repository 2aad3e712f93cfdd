"""How many architectures have which nonlinearity count."""

from dataclasses import dataclass

import plotly.graph_objects as go

from backend.spaces.schemas import HistogramRead
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.style import (
    OKABE_ITO,
    SHARED_COLOUR,
    SWITCH_MARGIN,
    Theme,
    empty_figure,
    figure,
    scale_switch,
)
from nas.spaces.labelling import Reading

TITLE = "Architectures per nonlinearity count"
AXES: dict[Reading, str] = {
    "effective": "nonlinear functions on the path that has most",
    "total": "nonlinear functions on all live paths together",
}
VALID_COLOUR = OKABE_ITO[4]
MOST_TEXTS = 12
"""With more bars than these their shares stand in the hover text alone."""


@dataclass(frozen=True, slots=True)
class CountBar:
    """The architectures of one count.

    Attributes:
        valid: exact number whose output depends on the input.
        dead: exact number of the others.
        valid_share: of all architectures, dead ones included, 0..1.
        dead_share: likewise.
    """

    count: int
    valid: int
    dead: int
    valid_share: float
    dead_share: float


def prepare_histogram(rows: HistogramRead) -> tuple[CountBar, ...]:
    """Return one bar per count, ascending."""
    bars = []
    for count, size in sorted(rows.counts.items(), key=lambda item: int(item[0])):
        valid, dead = int(size.valid), int(size.all) - int(size.valid)
        bars.append(
            CountBar(int(count), valid, dead, share(valid, rows.all), share(dead, rows.all))
        )
    return tuple(bars)


def histogram(
    name: str, rows: HistogramRead | None, reading: Reading, *, theme: Theme = "light"
) -> go.Figure:
    """Draw the share of every count, valid and dead apart, with a log switch.

    Args:
        name: of the space.
        rows: None where there is no space to count.
        reading: which count it is.
        theme: light or dark.
    """
    revision = f"histogram-{name}-{reading}"
    if rows is None:
        return empty_figure(
            TITLE,
            "The histogram appears as soon as the definition is valid.",
            theme=theme,
            uirevision=revision,
        )
    bars = prepare_histogram(rows)
    dead = int(rows.all) - int(rows.valid)
    drawn = figure(
        TITLE,
        f"n = {short(rows.all)} architectures: {short(rows.valid)} valid,<br>"
        f"{short(dead)} dead; {name}",
        theme=theme,
        uirevision=revision,
    )
    counts = [bar.count for bar in bars]
    drawn.add_bar(
        name="valid",
        x=counts,
        y=[100 * bar.valid_share for bar in bars],
        marker={"color": VALID_COLOUR},
        text=[share_text(bar.valid_share) for bar in bars] if len(bars) <= MOST_TEXTS else None,
        textposition="auto",
        customdata=[[grouped(bar.valid), share_text(bar.valid_share)] for bar in bars],
        hovertemplate="count %{x}<br>%{customdata[0]} valid, %{customdata[1]} of all"
        "<extra></extra>",
    )
    if dead:
        drawn.add_bar(
            name="dead: the output does not depend on the input",
            x=counts,
            y=[100 * bar.dead_share for bar in bars],
            marker={"color": SHARED_COLOUR},
            customdata=[[grouped(bar.dead), share_text(bar.dead_share)] for bar in bars],
            hovertemplate="count %{x}<br>%{customdata[0]} dead, %{customdata[1]} of all"
            "<extra></extra>",
        )
    drawn.update_layout(
        margin={"t": SWITCH_MARGIN},
        barmode="stack",
        bargap=0.2,
        xaxis={"title": {"text": AXES[reading]}, "dtick": 1 if len(bars) <= 24 else None},
        yaxis={"title": {"text": "share of all architectures, %"}, "rangemode": "tozero"},
        legend={"y": -0.22, "traceorder": "normal"},
        showlegend=bool(dead),
        updatemenus=[scale_switch("yaxis", theme)],
    )
    return drawn
