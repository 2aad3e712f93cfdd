"""Rank correlation: do the supernets order architectures as stand-alone training does?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from backend.runs.conditions import unusual_conditions
from backend.runs.schemas import CorrelationRead, RunRead, RunSummary, ScoreRead, SubspaceRead
from frontend.figures.style import (
    INK,
    MUTED,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_dash,
    subspace_symbol,
    translucent,
)
from frontend.figures.waiting import awaited

SCATTER_TITLE = "Rank correlation"
TAU_TITLE = "Rank correlation over steps"
OVERALL = "overall"
SHOWN_CONDITIONS = ("n", "ties", "noise_ceiling", "left_out_tau")
UNITS = {"loss": "negative cross-entropy, nats", "accuracy": "validation accuracy, %"}
UNIT_SIGNS = {"loss": "nats", "accuracy": "%"}


@dataclass(frozen=True, slots=True)
class RankedArchitectures:
    """The scores of one moment beside the ground truth.

    Attributes:
        stage: live, or final.
        step: global step of the supernets.
        scores: of one scorer, each with a known stand-alone accuracy.
        overall: correlation over all of them; None while parts of the round are missing.
    """

    stage: str
    step: int
    scores: tuple[ScoreRead, ...]
    overall: CorrelationRead | None


def shown_scorer(run: RunRead) -> str:
    """Return the scorer that figures show unless another is chosen: the run's first live one."""
    return run.spec.ranking.shown_scorer


def scorer_kinds(run: RunRead) -> tuple[str, ...]:
    """Return the scorers that figures can show, in the order of the spec."""
    return tuple(scorer.kind for scorer in run.spec.ranking.scorers)


def left_out_text(row: CorrelationRead | None) -> str:
    """Return how well a scorer that learned from landmarks foretells one left out; empty if none."""
    if row is None or "landmarks" not in row.conditions:
        return ""
    tau = row.conditions.get("left_out_tau")
    value = "undefined" if tau is None else f"{tau:.2f}"
    return f"leave-one-out τ = {value} (n = {row.conditions['landmarks']} landmarks)"


def prepare_ranking(
    scorer: str, scores: Sequence[ScoreRead], correlations: Sequence[CorrelationRead]
) -> RankedArchitectures | None:
    """Choose the moment to show: the final scores, else the newest live round.

    A round that is complete (it has an overall correlation) goes before a newer one that still
    misses the scores of some sub-spaces, because the points then belong to one moment.
    """
    known = [row for row in scores if row.scorer == scorer and row.true_accuracy is not None]
    overall = {
        (row.stage, row.step): row
        for row in correlations
        if row.scorer == scorer and row.scope == OVERALL
    }
    moments = {(row.stage, row.step) for row in known}
    if not moments:
        return None
    final = max((moment for moment in moments if moment[0] == "final"), default=None)
    live = [moment for moment in moments if moment[0] != "final"]
    complete = [moment for moment in live if moment in overall]
    stage, step = final or max(complete or live, key=lambda moment: moment[1])
    return RankedArchitectures(
        stage=stage,
        step=step,
        scores=tuple(row for row in known if (row.stage, row.step) == (stage, step)),
        overall=overall.get((stage, step)),
    )


def ceiling_value(run: RunSummary) -> str:
    """Return the noise ceiling of the run's benchmark as a table shows it beside tau."""
    if run.benchmark is None:
        return "no benchmark"
    return "unknown" if run.noise_ceiling is None else f"{run.noise_ceiling:.2f}"


def ceiling_text(run: RunRead) -> str:
    """Return the noise ceiling of the run's benchmark in words."""
    if run.noise_ceiling is None:
        return "noise ceiling unknown"
    return f"noise ceiling {run.noise_ceiling:.2f}"


def tau_text(row: CorrelationRead | None) -> str:
    """Return Kendall's tau-b with its 95 % interval, or why there is none."""
    if row is None:
        return "τ pending"
    if row.tau is None:
        return "τ undefined (all tied, or fewer than two)"
    if row.tau_low is None or row.tau_high is None:
        return f"τ = {row.tau:.2f}"
    return f"τ = {row.tau:.2f} [{row.tau_low:.2f}, {row.tau_high:.2f}]"


def newest_overall(
    run: RunRead, correlations: Sequence[CorrelationRead]
) -> CorrelationRead | None:
    """Return the correlation over all sub-spaces that speaks for a run: final, else newest live."""
    scorer = shown_scorer(run)
    return max(
        (row for row in correlations if row.scorer == scorer and row.scope == OVERALL),
        key=lambda row: (row.stage == "final", row.step),
        default=None,
    )


def further_conditions(row: CorrelationRead) -> dict[str, Any]:  # Any: JSON values
    """Return what a correlation depends on beside n, ties and noise ceiling, for people.

    How well left-out landmarks are foretold is said elsewhere too: it is a result, not a condition.
    """
    return {
        name.replace("_", " "): value
        for name, value in row.conditions.items()
        if name not in SHOWN_CONDITIONS and not isinstance(value, dict)
    }


def rank_correlation(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    scores: Sequence[ScoreRead],
    correlations: Sequence[CorrelationRead],
    scorer: str | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw scores against stand-alone accuracies, coloured by sub-space, tau in the title."""
    revision = _revision("rank-correlation", run, scorer)
    scorer = scorer or shown_scorer(run)
    found = prepare_ranking(scorer, scores, correlations)
    if found is None:
        return empty_figure(
            SCATTER_TITLE,
            _why_no_scores(run, scorer),
            theme=theme,
            uirevision=revision,
        )
    moment = "after training" if found.stage == "final" else f"live, step {found.step:,}"
    ties = f" · {found.overall.num_ties:,} tied pairs" if found.overall else ""
    unusual = unusual_conditions(found.overall.conditions) if found.overall else ()
    drawn = figure(
        f"{SCATTER_TITLE}: {tau_text(found.overall)}",
        " · ".join(
            [
                f"n = {len(found.scores):,}{ties}",
                moment,
                ceiling_text(run),
                *filter(None, [left_out_text(found.overall)]),
                *unusual,
            ]
        ),
        theme=theme,
        uirevision=revision,
    )
    for part in subspaces:
        mine = [row for row in found.scores if row.subspace == part.index]
        drawn.add_scatter(
            name=f"{part.label} (n = {len(mine)})",
            mode="markers",
            x=[row.score for row in mine],
            y=[row.true_accuracy for row in mine],
            text=[row.architecture for row in mine],
            marker={
                "color": subspace_colour(part.index),
                "symbol": subspace_symbol(part.index),
                "size": 8 if len(found.scores) <= 300 else 6,
                "opacity": 0.8,
                "line": {"width": 0},
            },
            hovertemplate="%{text}<br>score %{x:.4g}, stand-alone %{y:.2f} %"
            f"<extra>{part.label}</extra>",
        )
    unit = f" ({UNITS[scorer]})" if scorer in UNITS else ""
    drawn.update_layout(
        xaxis={"title": {"text": f"score by {scorer}{unit}, higher is better"}},
        yaxis={"title": {"text": "stand-alone accuracy (%)"}},
        showlegend=True,
    )
    return drawn


def _revision(name: str, run: RunRead, scorer: str | None) -> str:
    # Scores of another scorer have another range: what was zoomed is not kept.
    return f"{name}-{run.id}" + ("" if scorer is None else f"-{scorer}")


def _why_no_scores(run: RunRead, scorer: str) -> str:
    if run.benchmark is None:
        return "This run has no benchmark, so there is no ground truth<br>to compare scores with."
    if scorer not in (live.kind for live in run.spec.ranking.live_scorers):
        return awaited(
            run, f"No architecture has been scored by {scorer} yet.", "It scores after training."
        )
    first = min(run.spec.ranking.every_steps, run.spec.training.steps)
    if run.spec.training.warm_up_steps:
        first = min(first, run.spec.training.warm_up_steps)
    return awaited(
        run, "No architecture has been scored yet.", f"The first round ends at step {first:,}."
    )


def tau_over_steps(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    correlations: Sequence[CorrelationRead],
    scorer: str | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw Kendall's tau-b over global steps: overall with its interval, and per sub-space."""
    revision = _revision("tau-over-steps", run, scorer)
    scorer = scorer or shown_scorer(run)
    known = [row for row in correlations if row.scorer == scorer and row.tau is not None]
    live = sorted((row for row in known if row.stage != "final"), key=lambda row: row.step)
    if not known:
        return empty_figure(
            TAU_TITLE, _why_no_scores(run, scorer), theme=theme, uirevision=revision
        )
    overall = [row for row in live if row.scope == OVERALL]
    sizes = sorted({row.num_architectures for row in overall or live})
    number = "–".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1]))) if sizes else 0
    newest = max(known, key=lambda row: (row.step, row.stage == "final"))
    caption = [
        f"Kendall τ-b by {scorer}"
        + (f", n = {number} per live round" if live else ", after training alone"),
        "band: 95 % bootstrap interval",
        ceiling_text(run),
        *unusual_conditions(newest.conditions),
    ]
    drawn = figure(
        TAU_TITLE,
        " · ".join(caption),
        theme=theme,
        uirevision=revision,
    )
    for part in subspaces:
        mine = [row for row in live if row.scope == str(part.index)]
        drawn.add_scatter(
            name=part.label,
            mode="lines+markers",
            x=[row.step for row in mine],
            y=[row.tau for row in mine],
            customdata=[row.num_architectures for row in mine],
            line={
                "color": subspace_colour(part.index),
                "width": 1.5,
                "dash": subspace_dash(part.index),
            },
            marker={"size": 5, "symbol": subspace_symbol(part.index)},
            hovertemplate="step %{x:,}<br>τ = %{y:.3f}, n = %{customdata}"
            f"<extra>{part.label}</extra>",
        )
    _add_overall(drawn, overall, theme)
    _add_final(drawn, [row for row in known if row.stage == "final"], theme)
    _add_marks(drawn, run, theme)
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "range": [0, run.spec.training.steps * 1.03]},
        yaxis={"title": {"text": "Kendall τ-b"}},
        showlegend=True,
    )
    return drawn


def _add_overall(drawn: go.Figure, overall: Sequence[CorrelationRead], theme: Theme) -> None:
    steps = [row.step for row in overall]
    banded = [row for row in overall if row.tau_low is not None and row.tau_high is not None]
    drawn.add_scatter(
        name="95 % interval",
        mode="lines",
        x=[row.step for row in banded] + [row.step for row in reversed(banded)],
        y=[row.tau_low for row in banded] + [row.tau_high for row in reversed(banded)],
        fill="toself",
        fillcolor=translucent(INK[theme], 0.12),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        name=OVERALL,
        mode="lines+markers",
        x=steps,
        y=[row.tau for row in overall],
        customdata=[[row.num_architectures, tau_text(row)] for row in overall],
        line={"color": INK[theme], "width": 3},
        marker={"size": 7},
        hovertemplate="step %{x:,}<br>%{customdata[1]}, n = %{customdata[0]}"
        "<extra>overall</extra>",
    )


def _add_final(drawn: go.Figure, final: Sequence[CorrelationRead], theme: Theme) -> None:
    for row in final:
        if row.scope != OVERALL or row.tau_low is None or row.tau_high is None:
            continue
        assert row.tau is not None
        drawn.add_scatter(
            name=f"final (n = {row.num_architectures:,})",
            mode="markers",
            x=[row.step],
            y=[row.tau],
            error_y={
                "type": "data",
                "array": [row.tau_high - row.tau],
                "arrayminus": [row.tau - row.tau_low],
                "thickness": 1.5,
            },
            marker={"size": 12, "symbol": "star", "color": INK[theme]},
            hovertemplate=f"after training<br>{tau_text(row)}, n = {row.num_architectures}"
            "<extra>final</extra>",
        )


def _add_marks(drawn: go.Figure, run: RunRead, theme: Theme) -> None:
    font = {"size": 11, "color": MUTED[theme]}
    if run.noise_ceiling is not None:
        drawn.add_hline(
            y=run.noise_ceiling,
            line={"dash": "dash", "width": 1.5, "color": MUTED[theme]},
            annotation={"text": ceiling_text(run), "font": font},
            annotation_position="top left",
        )
    if run.spec.training.warm_up_steps:
        drawn.add_vline(
            x=run.spec.training.warm_up_steps,
            line={"dash": "dot", "width": 1, "color": MUTED[theme]},
            annotation={"text": "end of warm-up", "font": font},
            annotation_position="bottom right",
        )
