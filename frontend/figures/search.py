"""Best-so-far: what the search has found after each evaluation."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.schemas import CandidateRead, RunRead, SubspaceRead
from frontend.figures.ranking import UNIT_SIGNS
from frontend.figures.style import (
    INK,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_symbol,
)
from frontend.figures.waiting import awaited_candidates

TITLE = "Best so far"


def incumbents(candidates: Sequence[CandidateRead]) -> tuple[CandidateRead, ...]:
    """Return, per evaluation, the candidate with the best score up to then.

    Ties keep the earlier one, so a later equal score does not look like progress.
    """
    best: list[CandidateRead] = []
    for row in sorted(candidates, key=lambda candidate: candidate.evaluation):
        best.append(row if not best or row.score > best[-1].score else best[-1])
    return tuple(best)


def best_so_far(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    candidates: Sequence[CandidateRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw each evaluation's score and the best until then; below, its true accuracy if known."""
    revision = f"best-so-far-{run.id}"
    search = run.spec.search
    if not candidates or search is None:
        return empty_figure(TITLE, awaited_candidates(run), theme=theme, uirevision=revision)
    ordered = sorted(candidates, key=lambda candidate: candidate.evaluation)
    best = incumbents(ordered)
    measured = any(row.true_accuracy is not None for row in ordered)
    drawn = make_subplots(rows=2 if measured else 1, cols=1, shared_xaxes=True)
    caption = f"n = {len(ordered):,} of {search.budget:,} evaluations by {search.kind}"
    if best[-1].true_accuracy is not None:
        caption += f" · best: {best[-1].true_accuracy:.2f} %"
        if best[-1].true_rank is not None:
            caption += f", true rank {best[-1].true_rank:,}"
    drawn.update_layout(figure(TITLE, caption, theme=theme, uirevision=revision).layout)
    _add_points(drawn, ordered, subspaces, measured)
    evaluations = [row.evaluation for row in ordered]
    line = {"color": INK[theme], "width": 2, "shape": "hv"}
    drawn.add_scatter(
        name="best so far",
        mode="lines" if len(ordered) > 1 else "markers",
        x=evaluations,
        y=[row.score for row in best],
        text=[row.architecture for row in best],
        line=line,
        hovertemplate="evaluation %{x:,}<br>best score %{y:.4g}<br>%{text}<extra></extra>",
        row=1,
        col=1,
    )
    unit = f" ({UNIT_SIGNS[search.scorer]})" if search.scorer in UNIT_SIGNS else ""
    drawn.update_yaxes(title={"text": f"score by<br>{search.scorer}{unit}"}, row=1, col=1)
    if measured:
        drawn.add_scatter(
            name="its true accuracy",
            mode="lines" if len(ordered) > 1 else "markers",
            x=evaluations,
            y=[row.true_accuracy for row in best],
            line={**line, "dash": "dot"},
            hovertemplate="evaluation %{x:,}<br>%{y:.2f} % stand-alone<extra></extra>",
            row=2,
            col=1,
        )
        drawn.update_yaxes(title={"text": "stand-alone<br>(%)"}, row=2, col=1)
    drawn.update_xaxes(title={"text": "evaluation"}, row=2 if measured else 1, col=1)
    drawn.update_layout(showlegend=True)
    return drawn


def _add_points(
    drawn: go.Figure,
    candidates: Sequence[CandidateRead],
    subspaces: Sequence[SubspaceRead],
    measured: bool,
) -> None:
    for part in subspaces:
        mine = [row for row in candidates if row.subspace == part.index]
        for place in range(1, 3 if measured else 2):
            drawn.add_scatter(
                name=part.label,
                legendgroup=part.label,
                showlegend=place == 1,
                mode="markers",
                x=[row.evaluation for row in mine],
                y=[row.score if place == 1 else row.true_accuracy for row in mine],
                text=[row.architecture for row in mine],
                marker={
                    "color": subspace_colour(part.index),
                    "symbol": subspace_symbol(part.index),
                    "size": 5,
                    "opacity": 0.55,
                },
                hovertemplate="evaluation %{x:,}<br>%{y:.4g}<br>%{text}"
                f"<extra>{part.label}</extra>",
                row=place,
                col=1,
            )
