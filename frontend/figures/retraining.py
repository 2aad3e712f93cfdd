"""Retraining: validation accuracy and training loss of every training over its epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.schemas import RetrainingEpochRead, RetrainingRead, RunRead
from frontend.figures.style import (
    MOST_CHARACTERS,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_dash,
    thinned,
)
from frontend.figures.waiting import awaited

TITLE = "Retraining"
MOST_POINTS = 500


@dataclass(frozen=True, slots=True)
class Curve:
    """One training.

    Attributes:
        place: of its architecture, in the order in which they were planned.
        architecture: its canonical string.
        epochs: ascending.
        kept: the epoch whose weights were kept; None before the end.
    """

    place: int
    architecture: str
    seed: int
    epochs: tuple[RetrainingEpochRead, ...]
    kept: int | None


def prepare_curves(
    retrainings: Sequence[RetrainingRead], epochs: Sequence[RetrainingEpochRead]
) -> tuple[Curve, ...]:
    """Group epochs by training, leaving those out that have not ended an epoch yet."""
    places: dict[str, int] = {}
    by_number: dict[int, list[RetrainingEpochRead]] = {}
    for epoch in epochs:
        by_number.setdefault(epoch.number, []).append(epoch)
    curves = []
    for one in sorted(retrainings, key=lambda one: one.number):
        place = places.setdefault(one.architecture, len(places))
        mine = sorted(by_number.get(one.number, ()), key=lambda epoch: epoch.epoch)
        if mine:
            curves.append(Curve(place, one.architecture, one.seed, tuple(mine), one.kept_epoch))
    return tuple(curves)


def retraining_curves(
    run: RunRead,
    *,
    retrainings: Sequence[RetrainingRead],
    retraining_epochs: Sequence[RetrainingEpochRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw the curves of all trainings: one colour per architecture, one thin line per seed."""
    revision = f"retraining-{run.id}"
    curves = prepare_curves(retrainings, retraining_epochs)
    if not curves:
        text = _missing(run, retrainings)
        return empty_figure(TITLE, text, theme=theme, uirevision=revision)
    drawn = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    architectures = len({curve.place for curve in curves})
    ended = sum(one.test_accuracy is not None for one in retrainings)
    caption = (
        f"n = {len(curves)} of {len(retrainings)} trainings, {architectures} "
        f"architecture{'s' if architectures > 1 else ''} · {ended} ended"
        " · star: the epoch whose weights were kept"
    )
    drawn.update_layout(figure(TITLE, caption, theme=theme, uirevision=revision).layout)
    seen: set[int] = set()
    for curve in curves:
        _add_curve(drawn, curve, named=curve.place not in seen)
        seen.add(curve.place)
    drawn.update_yaxes(title={"text": "accuracy on<br>validation images (%)"}, row=1, col=1)
    drawn.update_yaxes(title={"text": "training loss<br>(nats)"}, row=2, col=1)
    drawn.update_xaxes(title={"text": "epoch"}, rangemode="tozero", row=2, col=1)
    drawn.update_layout(showlegend=True)
    return drawn


def _missing(run: RunRead, retrainings: Sequence[RetrainingRead]) -> str:
    if retrainings:
        return awaited(run, "No epoch of a retraining has ended yet.")
    if run.spec.retrain is None:
        return (
            "This run retrains nothing by itself. Pick architectures below, or take the winners of "
            "its search."
        )
    return awaited(run, "Nothing is being retrained yet.", "It starts after the search.")


def _add_curve(drawn: go.Figure, curve: Curve, *, named: bool) -> None:
    points = thinned(curve.epochs, MOST_POINTS)
    colour = subspace_colour(curve.place)
    for row, values, unit in (
        (1, [point.accuracy for point in points], "%{y:.2f} % on validation images"),
        (2, [point.loss for point in points], "loss %{y:.4f} nats"),
    ):
        drawn.add_scatter(
            name=_short(curve.architecture),
            legendgroup=str(curve.place),
            showlegend=named and row == 1,
            mode="lines" if len(points) > 1 else "markers",
            x=[point.epoch for point in points],
            y=values,
            line={"color": colour, "dash": subspace_dash(curve.place), "width": 1},
            hovertemplate=f"epoch %{{x}}<br>{unit}<br>{curve.architecture}"
            f"<extra>seed {curve.seed}</extra>",
            row=row,
            col=1,
        )
    kept = [point for point in curve.epochs if point.epoch == curve.kept]
    if kept:
        drawn.add_scatter(
            name=f"kept, seed {curve.seed}",
            legendgroup=str(curve.place),
            showlegend=False,
            mode="markers",
            x=[kept[0].epoch],
            y=[kept[0].accuracy],
            marker={"color": colour, "symbol": "star", "size": 9},
            hovertemplate="weights of epoch %{x} were kept<br>%{y:.2f} % on validation images"
            f"<extra>seed {curve.seed}</extra>",
            row=1,
            col=1,
        )


def _short(code: str) -> str:
    return code if len(code) <= MOST_CHARACTERS else f"{code[: MOST_CHARACTERS - 1]}…"
