"""What the search has found in truth, beside random search: against evaluations and time."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.schemas import CandidateRead, RunRead, SearchControl
from frontend.figures.search import incumbents
from frontend.figures.style import (
    INK,
    MUTED,
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    translucent,
)
from frontend.figures.waiting import awaited_candidates

TITLE = "Found so far, in truth"


def search_in_truth(
    run: RunRead,
    *,
    candidates: Sequence[CandidateRead],
    search_control: SearchControl | None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the true accuracy of the best by score, with the best cell and random search's band."""
    revision = f"search-in-truth-{run.id}"
    search = run.spec.search
    if search is None or not candidates:
        return empty_figure(TITLE, awaited_candidates(run), theme=theme, uirevision=revision)
    best = incumbents(candidates)
    known = [row for row in best if row.true_accuracy is not None]
    if search_control is None or not known:
        message = "Without a benchmark that knows the candidates nobody can tell what they are."
        return empty_figure(TITLE, message, theme=theme, uirevision=revision)
    drawn = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    caption = _caption(search.kind, search_control, candidates, known[-1])
    drawn.update_layout(figure(TITLE, caption, theme=theme, uirevision=revision).layout)
    ordered = sorted(candidates, key=lambda candidate: candidate.evaluation)
    seconds_each = ordered[-1].seconds / len(ordered)
    axes = {
        1: [float(row.evaluation) for row in ordered],
        2: [row.seconds for row in ordered],
    }
    for column, across in axes.items():
        unit = 1.0 if column == 1 else seconds_each
        _add_random(drawn, search_control, unit, column)
        drawn.add_scatter(
            name=search.kind,
            mode="lines" if len(ordered) > 1 else "markers",
            x=across,
            y=[row.true_accuracy for row in best],
            text=[row.architecture for row in best],
            line={"color": INK[theme], "width": 2, "shape": "hv"},
            hovertemplate="%{x:,.5g}: %{y:.2f} %<br>%{text}<extra></extra>",
            showlegend=column == 1,
            row=1,
            col=column,
        )
        drawn.add_hline(
            y=search_control.best_accuracy,
            line={"color": MUTED[theme], "dash": "dash", "width": 1},
            row=1,
            col=column,
        )
    drawn.update_xaxes(title={"text": "evaluation"}, row=1, col=1)
    drawn.update_xaxes(title={"text": "time of searching (s)"}, row=1, col=2)
    drawn.update_yaxes(title={"text": "stand-alone accuracy<br>of the best by score (%)"}, col=1)
    drawn.update_layout(showlegend=True)
    return drawn


def _caption(
    kind: str, control: SearchControl, candidates: Sequence[CandidateRead], best: CandidateRead
) -> str:
    assert best.true_accuracy is not None
    regret = control.best_accuracy - best.true_accuracy
    told = (
        f"{kind}, n = {len(candidates):,}: {best.true_accuracy:.2f} %, regret {regret:.2f} points"
    )
    reached = [point for point in control.random if point.evaluation <= len(candidates)]
    if not reached:
        return told
    point = reached[-1]
    return (
        f"{told} · random search, n = {point.evaluation:,}: {point.mean:.2f} % "
        f"({point.low:.2f} to {point.high:.2f}), exact over draws of {control.num_scored:,} scored"
    )


def _add_random(drawn: go.Figure, control: SearchControl, unit: float, column: int) -> None:
    """Add mean and band of random search, a `unit` of the axis per evaluation."""
    if not control.random:
        return
    across = [point.evaluation * unit for point in control.random]
    drawn.add_scatter(
        name="90 % of random searches",
        mode="lines",
        x=[*across, *reversed(across)],
        y=[
            *(point.high for point in control.random),
            *(point.low for point in reversed(control.random)),
        ],
        fill="toself",
        fillcolor=translucent(SHARED_COLOUR, 0.2),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=column == 1,
        row=1,
        col=column,
    )
    drawn.add_scatter(
        name="random search, mean",
        mode="lines",
        x=across,
        y=[point.mean for point in control.random],
        line={"color": SHARED_COLOUR, "width": 2, "dash": "dot"},
        hovertemplate="%{x:,.5g}: %{y:.2f} % by random search<extra></extra>",
        showlegend=column == 1,
        row=1,
        col=column,
    )
