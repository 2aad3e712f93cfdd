"""Training loss: small differences between supernets show which one is under-trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.schemas import MetricRead, RunRead, SubspaceRead
from frontend.figures.style import (
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_dash,
    thinned,
)
from frontend.figures.waiting import awaited

TITLE = "Training loss"
MOST_POINTS = 1000
SHARED = {"warm-up": "warm-up (shared)", "train": "all sub-spaces (weight banks)"}
"""Names of the supernets that all sub-spaces share, by their unit."""


@dataclass(frozen=True, slots=True)
class LossCurve:
    """The training loss of one unit.

    Attributes:
        subspace: index, or None for a supernet that all sub-spaces share: the warm-up's, or the
            one with weight banks.
        points: (global step, mean loss in nats), ascending.
    """

    unit: str
    subspace: int | None
    points: tuple[tuple[int, float], ...]


def prepare_loss(metrics: Sequence[MetricRead]) -> tuple[LossCurve, ...]:
    """Group the loss series by unit, a shared supernet first and then by sub-space."""
    curves: dict[tuple[int, str], list[tuple[int, float]]] = {}
    for row in metrics:
        if row.series == "loss":
            place = -1 if row.subspace is None else row.subspace
            curves.setdefault((place, row.unit), []).append((row.step, row.value))
    return tuple(
        LossCurve(unit, None if place < 0 else place, tuple(sorted(points)))
        for (place, unit), points in sorted(curves.items())
    )


def training_loss(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    metrics: Sequence[MetricRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw the training loss of every supernet over global steps on one axis."""
    revision = f"training-loss-{run.id}"
    curves = prepare_loss(metrics)
    if not curves:
        return empty_figure(
            TITLE,
            awaited(run, "No training step has been reported yet."),
            theme=theme,
            uirevision=revision,
        )
    labels = {part.index: part.label for part in subspaces}
    last = max(curve.points[-1][0] for curve in curves)
    drawn = figure(
        TITLE,
        f"mean cross-entropy of a training step (nats), batch of {run.spec.training.batch_size}"
        f" · step {last:,} of {run.spec.training.steps:,}",
        theme=theme,
        uirevision=revision,
    )
    for curve in curves:
        points = thinned(curve.points, MOST_POINTS)
        shared = curve.subspace is None
        index = curve.subspace or 0
        name = SHARED.get(curve.unit, labels.get(index, f"sub-space {index}"))
        drawn.add_scatter(
            name=name,
            mode="lines" if len(points) > 1 else "markers",
            x=[step for step, _ in points],
            y=[loss for _, loss in points],
            line={
                "color": SHARED_COLOUR if shared else subspace_colour(index),
                "dash": "solid" if shared else subspace_dash(index),
                "width": 1.5,
            },
            hovertemplate="step %{x:,}<br>loss %{y:.4f} nats<extra>" + name + "</extra>",
        )
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "training loss (nats)"}},
        showlegend=True,
    )
    return drawn
