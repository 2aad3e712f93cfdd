"""Training loss of several runs, averaged over the supernets of each."""

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.runs.schemas import MetricRead
from frontend.figures.comparison.layout import lacking, nothing, started, unlike
from frontend.figures.comparison.runs import ComparedRun, differing, span
from frontend.figures.style import Theme, thinned
from frontend.figures.training import TITLE, prepare_loss

MOST_POINTS = 500


def prepare_mean_loss(
    metrics: Sequence[MetricRead], num_subspaces: int
) -> list[tuple[int, float]]:
    """Average the newest losses of a run's supernets.

    Returns:
        (global step, loss in nats), ascending: those of a supernet that all sub-spaces share (the
        warm-up's, or the one with weight banks), then the means from where every supernet has
        reported up to where the least advanced one has come.
    """
    curves = prepare_loss(metrics)
    points = [point for curve in curves if curve.subspace is None for point in curve.points]
    own = [curve for curve in curves if curve.subspace is not None]
    if len(own) < num_subspaces:
        return points
    reached = min(curve.points[-1][0] for curve in own)
    newest: dict[str, float] = {}
    reports = sorted((step, curve.unit, loss) for curve in own for step, loss in curve.points)
    for step, unit, loss in reports:
        newest[unit] = loss
        if len(newest) == len(own) and step <= reached:
            points.append((step, sum(newest.values()) / len(newest)))
    return list(dict(points).items())


def training_losses(runs: Sequence[ComparedRun], *, theme: Theme = "light") -> go.Figure:
    """Draw each run's training loss over global steps, one line per run."""
    name = "training-loss"
    curves = [prepare_mean_loss(one.metrics, one.run.num_subspaces) for one in runs]
    if not any(curves):
        message = "None of these runs has reported a training step of all its supernets yet."
        return nothing(name, TITLE, message, runs, theme=theme)
    shown = [one for one, curve in zip(runs, curves, strict=True) if curve]
    drawn = started(
        name,
        TITLE,
        [
            "mean cross-entropy over a run's supernets (nats)",
            f"batch of {span(one.run.spec.training.batch_size for one in shown)}",
            f"n = {span(curve[-1][0] for curve in curves if curve)} steps so far",
        ],
        runs,
        theme=theme,
        notes=[lacking(runs, shown), unlike(differing(shown, ("dataset", "batch size")))],
    )
    for one, curve in zip(runs, curves, strict=True):
        points = thinned(curve, MOST_POINTS)
        drawn.add_scatter(
            name=one.label,
            meta={"run": one.run.id},
            mode="lines" if len(points) != 1 else "markers",
            x=[step for step, _ in points],
            y=[loss for _, loss in points],
            line={"color": one.colour, "dash": one.dash, "width": 2},
            hovertemplate="step %{x:,}<br>loss %{y:.4f} nats",
        )
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "training loss (nats)"}},
        showlegend=True,
    )
    return drawn
