"""A partition before training: how large its sub-spaces are, and what their architectures cost."""

from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

import plotly.graph_objects as go

from backend.spaces.schemas import PartitionPreview, SubspacePreview
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.style import (
    SHARED_COLOUR,
    SWITCH_MARGIN,
    Theme,
    empty_figure,
    figure,
    scale_switch,
    subspace_colour,
)

SIZES_TITLE = "Shares of the sub-spaces"
COSTS_TITLES = {
    "flops": "FLOPs of their architectures",
    "parameters": "Parameters of their architectures",
}
COSTS_AXES = {
    "flops": "stand-alone multiply-adds per image",
    "parameters": "stand-alone trainable parameters",
}
NOTHING = "Sizes and costs appear as soon as the space can be split so."
ROW_PIXELS = 38
CAPTION_MARGIN = 92
"""Above the plot, pixels: for title and a caption of two lines."""

LABEL_CHARACTERS = 18
"""Of a line of a sub-space's label; long ones would leave no room for the plot."""

CostKind = Literal["flops", "parameters"]


@dataclass(frozen=True, slots=True)
class ShareBar:
    """One sub-space.

    Attributes:
        share: of all valid architectures, 0..1.
        dead: exact number of dead ones, which are never trained.
    """

    index: int
    label: str
    valid: int
    dead: int
    share: float


def prepare_shares(preview: PartitionPreview) -> tuple[ShareBar, ...]:
    """Return one bar per sub-space."""
    return tuple(
        ShareBar(
            index=part.index,
            label=part.label,
            valid=int(part.size.valid),
            dead=int(part.size.all) - int(part.size.valid),
            share=share(part.size.valid, preview.valid),
        )
        for part in preview.subspaces
    )


def shares(space: str, preview: PartitionPreview | None, *, theme: Theme = "light") -> go.Figure:
    """Draw every sub-space's share of the valid architectures; None where there is no partition."""
    revision = f"shares-{space}"
    if preview is None:
        return empty_figure(SIZES_TITLE, NOTHING, theme=theme, uirevision=revision)
    bars = prepare_shares(preview)
    dead = sum(bar.dead for bar in bars)
    drawn = figure(
        SIZES_TITLE,
        f"n = {short(preview.valid)} valid architectures, K = {len(bars)}<br>"
        f"{short(dead)} dead left out; {space}",
        theme=theme,
        uirevision=revision,
    )
    drawn.add_bar(
        orientation="h",
        y=_labels(preview),
        x=[100 * bar.share for bar in bars],
        marker={"color": [subspace_colour(bar.index) for bar in bars]},
        text=[f"{share_text(bar.share)} · {short(bar.valid)}" for bar in bars],
        textposition="auto",
        insidetextanchor="start",
        cliponaxis=False,
        customdata=[[grouped(bar.valid), grouped(bar.dead)] for bar in bars],
        hovertemplate="%{y}<br>%{customdata[0]} valid architectures, %{x:.3g} % of all"
        "<br>%{customdata[1]} dead<extra></extra>",
    )
    drawn.update_layout(
        margin={"t": SWITCH_MARGIN},
        bargap=0.25,
        height=_height(len(bars)) + SWITCH_MARGIN - CAPTION_MARGIN,
        yaxis=_categories(preview),
        xaxis={
            "title": {"text": "share of the valid architectures, %"},
            "rangemode": "tozero",
        },
        showlegend=False,
        updatemenus=[scale_switch("xaxis", theme, bottom=1.02)],
    )
    return drawn


def costs(
    space: str, preview: PartitionPreview | None, kind: CostKind, *, theme: Theme = "light"
) -> go.Figure:
    """Draw what each sub-space's architectures cost.

    A thin line from the least to the greatest, exact where it was computed; a thick one over the
    middle half of a uniform sample, and its median.
    """
    title, revision = COSTS_TITLES[kind], f"costs-{kind}-{space}"
    if preview is None:
        return empty_figure(title, NOTHING, theme=theme, uirevision=revision)
    exact = preview.costs == "exact"
    thin = "exact range" if exact else "5 % to 95 % of the sample"
    drawn = figure(
        title,
        f"thin: {thin} · thick: middle half, and median,<br>"
        f"of n = {preview.sampling.n:,} drawn per sub-space (seed {preview.sampling.seed})",
        theme=theme,
        uirevision=revision,
    )
    for label, part in zip(_labels(preview), preview.subspaces, strict=True):
        _add_interval(drawn, label, part, kind, theme)
    drawn.update_layout(
        margin={"t": CAPTION_MARGIN},
        height=_height(len(preview.subspaces)),
        yaxis=_categories(preview),
        xaxis={"title": {"text": COSTS_AXES[kind]}, "rangemode": "tozero"},
        showlegend=False,
    )
    return drawn


def _add_interval(
    drawn: go.Figure, label: str, part: SubspacePreview, kind: CostKind, theme: Theme
) -> None:
    colour = subspace_colour(part.index)
    low, quarter, median, three_quarters, high = map(int, getattr(part.sampled_costs, kind))
    ends = f"5 % {low:,} · 95 % {high:,}"
    if part.costs is not None:
        spread = getattr(part.costs, kind)
        low, high = int(spread.min), int(spread.max)
        ends = f"least {low:,} · greatest {high:,} (exact)"
    for values, width in (([low, high], 2), ([quarter, three_quarters], 10)):
        drawn.add_scatter(
            mode="lines",
            y=[label, label],
            x=values,
            line={"color": colour, "width": width},
            hoverinfo="skip",
        )
    drawn.add_scatter(
        mode="markers",
        y=[label],
        x=[median],
        marker={
            "color": "#ffffff" if theme == "light" else "#1a1b1e",
            "size": 9,
            "line": {"color": SHARED_COLOUR, "width": 2},
        },
        hovertemplate=f"{label}<br>{ends}<br>median {median:,}, middle half"
        f" {quarter:,} to {three_quarters:,}<extra></extra>",
    )


def _labels(preview: PartitionPreview) -> list[str]:
    return [part.label for part in preview.subspaces]


def _categories(preview: PartitionPreview) -> dict[str, object]:
    labels = _labels(preview)
    lines = [wrap(label, LABEL_CHARACTERS, max_lines=3, placeholder=" …") for label in labels]
    return {
        "autorange": "reversed",
        "type": "category",
        "tickvals": labels,
        "ticktext": ["<br>".join(label) for label in lines],
    }


def _height(num_subspaces: int) -> int:
    return max(276, 166 + ROW_PIXELS * num_subspaces)
