"""The trade-offs that a search with several objectives has found."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.fronts import front_of
from backend.runs.latency_text import latency_conditions, latency_text
from backend.runs.schemas import CandidateRead, RunRead, SubspaceRead, TrueFront
from frontend.figures.style import (
    INK,
    LINE_HEIGHT,
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_symbol,
)
from frontend.figures.waiting import awaited_candidates
from nas.search.objectives import LATENCY, Objective

TITLE = "Pareto front"


def pareto_front(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    candidates: Sequence[CandidateRead],
    true_front: TrueFront | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw every candidate by the first two objectives, and those that none beats in all of them.

    Beside it, where the truth is known, what is left of that front in true accuracies, and the
    front of the whole benchmark.
    """
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
    if true_front is not None:
        caption += (
            f" · true hypervolume {true_front.hypervolume_share:.1%} of the benchmark's front"
        )
    is_timed = any(aim.name == LATENCY for aim in search.aims)
    if is_timed:
        caption += f"<br>latency {latency_conditions(run, candidates)}"
    drawn = make_subplots(rows=1, cols=1 if true_front is None else 2)
    drawn.update_layout(figure(TITLE, caption, theme=theme, uirevision=revision).layout)
    if is_timed:
        drawn.update_layout(margin={"t": drawn.layout.template.layout.margin.t + LINE_HEIGHT})
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
    drawn.update_xaxes(title={"text": _axis(across)}, row=1, col=1)
    drawn.update_yaxes(title={"text": _axis(rising)}, row=1, col=1)
    drawn.update_layout(showlegend=True)
    if true_front is not None:
        _add_truth(drawn, true_front, theme)
    return drawn


def _add_truth(drawn: go.Figure, truth: TrueFront, theme: Theme) -> None:
    rising, across = truth.objectives[:2]
    for name, points, style in (
        (
            f"front of the benchmark, n = {truth.num_known:,}",
            truth.front,
            {"mode": "lines+markers", "line": {"color": SHARED_COLOUR, "dash": "dot"}},
        ),
        (
            "found front, in truth",
            truth.found,
            {"mode": "markers", "marker": {"color": INK[theme], "size": 8}},
        ),
    ):
        ordered = sorted(points, key=lambda point: point.objectives[across])
        drawn.add_scatter(
            name=name,
            x=[point.objectives[across] for point in ordered],
            y=[point.objectives[rising] for point in ordered],
            text=[point.architecture for point in ordered],
            hovertemplate=f"{across} %{{x:,.6g}}<br>{rising} %{{y:,.6g}}<br>%{{text}}"
            "<extra></extra>",
            row=1,
            col=2,
            **style,
        )
    units = {"accuracy": "stand-alone accuracy (%)", LATENCY: "latency (ms)"}
    drawn.update_xaxes(title={"text": units.get(across, across)}, row=1, col=2)
    drawn.update_yaxes(title={"text": units.get(rising, rising)}, row=1, col=2)


def objectives_text(row: CandidateRead, names: Sequence[str]) -> str:
    """Return the values of a candidate's objectives in one line."""
    return " · ".join(
        f"{name} {latency_text(row) if name == LATENCY else format(row.objectives[name], '.6g')}"
        for name in names
    )


def _axis(aim: Objective) -> str:
    return f"{aim} (ms)" if aim.name == LATENCY else str(aim)


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
        row=1,
        col=1,
    )
