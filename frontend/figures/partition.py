"""Sub-space sizes: how evenly the splitter divided the space, and what each part has received."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.balance import newest
from backend.runs.schemas import BalanceRead, RunRead, SubspaceRead
from frontend.figures.style import (
    INK,
    Theme,
    empty_figure,
    figure,
    scale_switch,
    subspace_colour,
    translucent,
)
from frontend.figures.waiting import awaited

TITLE = "Sub-space sizes"
LOG_RATIO = 50
"""From this ratio of the largest to the smallest bar on, the axis starts logarithmic."""


@dataclass(frozen=True, slots=True)
class SizeBar:
    """One sub-space.

    Attributes:
        size: exact number of valid architectures.
        dead: exact number of dead ones, which are never trained.
        share: of all valid architectures, 0..1.
        updates: optimizer steps spent on its architectures so far, warm-up included.
    """

    index: int
    label: str
    size: int
    dead: int
    share: float
    updates: int

    @property
    def updates_per_architecture(self) -> float:
        """How often an average architecture of the sub-space has been trained."""
        return self.updates / self.size


def prepare_sizes(
    subspaces: Sequence[SubspaceRead], balance: Sequence[BalanceRead]
) -> tuple[SizeBar, ...]:
    """Join sizes with the updates spent so far."""
    spent: dict[int, int] = {}
    for row in newest(balance):
        spent[row.subspace] = spent.get(row.subspace, 0) + row.updates
    return tuple(
        SizeBar(
            index=part.index,
            label=part.label,
            size=int(part.size_valid),
            dead=int(part.size_all) - int(part.size_valid),
            share=part.share_valid,
            updates=spent.get(part.index, 0),
        )
        for part in subspaces
    )


def subspace_sizes(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance: Sequence[BalanceRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw size and share of every sub-space beside the updates spent on it, with a log switch.

    Sizes and updates have an axis each: they differ by orders of magnitude.
    """
    revision = f"subspace-sizes-{run.id}"
    bars = prepare_sizes(subspaces, balance)
    if not bars:
        return empty_figure(
            TITLE,
            awaited(
                run,
                "The space has not been split yet.",
                "Sizes appear when the partition is found.",
            ),
            theme=theme,
            uirevision=revision,
        )
    total = sum(bar.size for bar in bars)
    dead = sum(bar.dead for bar in bars)
    updates = sum(bar.updates for bar in bars)
    caption = (
        f"n = {total:,} valid architectures of {run.space} ({dead:,} dead left out)"
        f" · {updates:,} updates so far"
    )
    drawn = figure(TITLE, caption, theme=theme, uirevision=revision)
    labels = [bar.label for bar in bars]
    colours = [subspace_colour(bar.index) for bar in bars]
    drawn.add_bar(
        name="valid architectures",
        offsetgroup="size",
        orientation="h",
        y=labels,
        x=[float(bar.size) for bar in bars],
        marker={"color": colours},
        text=[f"{_short(bar.size)} · {bar.share:.1%}" for bar in bars],
        customdata=[[f"{bar.size:,}", f"{bar.dead:,}", bar.share] for bar in bars],
        hovertemplate="%{y}<br>%{customdata[0]} valid architectures, %{customdata[2]:.2%} of all"
        "<br>%{customdata[1]} dead<extra></extra>",
    )
    drawn.add_bar(
        name="updates so far",
        offsetgroup="updates",
        xaxis="x2",
        orientation="h",
        y=labels,
        x=[bar.updates for bar in bars],
        marker={
            "color": [translucent(colour, 0.25) for colour in colours],
            "line": {"color": colours, "width": 1},
        },
        text=[
            f"{bar.updates:,} updates · {bar.updates_per_architecture:.3g} each" for bar in bars
        ],
        insidetextfont={"color": INK[theme]},
        hovertemplate="%{y}<br>%{x:,} updates, warm-up included<extra></extra>",
    )
    drawn.update_traces(
        textposition="auto", insidetextanchor="start", cliponaxis=False, textfont={"size": 11}
    )
    values = [bar.size for bar in bars]
    logarithmic = max(values) > LOG_RATIO * min(values)
    drawn.update_layout(
        bargap=0.25,
        bargroupgap=0.08,
        yaxis={"autorange": "reversed", "type": "category"},
        xaxis={
            "title": {"text": "valid architectures (solid)"},
            "type": "log" if logarithmic else "linear",
            "rangemode": "tozero",
        },
        xaxis2={
            "title": {"text": "updates spent on them so far (pale)"},
            "overlaying": "x",
            "side": "top",
            "tickmode": "auto",
            "rangemode": "tozero",
            "showgrid": False,
        },
        margin={"t": 112},
        showlegend=False,
        updatemenus=[scale_switch("xaxis", theme, bottom=1.11)],
    )
    return drawn


def _short(size: int) -> str:
    return f"{size:,}" if size < 10**9 else f"{size:.2e}"
