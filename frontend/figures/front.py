"""The trade-offs that a search with several objectives has found."""

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.runs.fronts import front_of
from backend.runs.schemas import CandidateRead, RunRead, SubspaceRead
from frontend.figures.style import (
    INK,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_symbol,
)
from frontend.figures.waiting import awaited_candidates

TITLE = "Pareto front"


def pareto_front(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    candidates: Sequence[CandidateRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw every candidate by the first two objectives, and those that none beats in all of them."""
    revision = f"pareto-front-{run.id}"
    search = run.spec.search
    if search is None or len(search.aims) < 2 or not candidates:
        message = awaited_candidates(run)
        if search is not None and len(search.aims) < 2:
            message = "The search of this run has one objective, and so no front."
        return empty_figure(TITLE, message, theme=theme, uirevision=revision)
    front = front_of(search, candidates)
    rising, across = search.aims[:2]
    caption = (
        f"n = {len(candidates):,} candidates, {len(front):,} on the front of "
        f"{', '.join(map(str, search.aims))}"
    )
    drawn = figure(TITLE, caption, theme=theme, uirevision=revision)
    for part in subspaces:
        mine = [row for row in candidates if row.subspace == part.index]
        marker = {
            "color": subspace_colour(part.index),
            "symbol": subspace_symbol(part.index),
            "size": 5,
            "opacity": 0.55,
        }
        _add(drawn, part.label, mine, (across.name, rising.name), marker=marker)
    ordered = sorted(front, key=lambda row: row.objectives[across.name])
    _add(
        drawn,
        "front",
        ordered,
        (across.name, rising.name),
        marker={"color": INK[theme], "symbol": "circle-open", "size": 10, "line": {"width": 2}},
    )
    drawn.update_layout(
        xaxis={"title": {"text": str(across)}},
        yaxis={"title": {"text": str(rising)}},
        showlegend=True,
    )
    return drawn


def objectives_text(row: CandidateRead, names: Sequence[str]) -> str:
    """Return the values of a candidate's objectives in one line."""
    return " · ".join(f"{name} {row.objectives[name]:.6g}" for name in names)


def _add(
    drawn: go.Figure,
    name: str,
    rows: Sequence[CandidateRead],
    axes: tuple[str, str],
    *,
    marker: dict[str, object],
) -> None:
    drawn.add_scatter(
        name=name,
        mode="markers",
        x=[row.objectives[axes[0]] for row in rows],
        y=[row.objectives[axes[1]] for row in rows],
        text=[
            f"evaluation {row.evaluation:,}<br>"
            f"{objectives_text(row, tuple(row.objectives))}<br>{row.architecture}"
            for row in rows
        ],
        marker=marker,
        hovertemplate=f"%{{text}}<extra>{name}</extra>",
    )
