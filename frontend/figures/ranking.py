"""Rank correlation: do the supernets order architectures as stand-alone training does?"""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.conditions import unusual_conditions
from backend.runs.measures import OVERALL, ties_text
from backend.runs.schemas import (
    CorrelationRead,
    MeasureRead,
    RunRead,
    RunSummary,
    ScoreRead,
    SubspaceRead,
)
from frontend.figures.style import (
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_symbol,
)
from frontend.figures.waiting import awaited

SCATTER_TITLE = "Rank correlation"
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
    return f"τ {value_text(row.tau)}"


def value_text(measure: MeasureRead) -> str:
    """Return `= value [interval]`, or that it is undefined and why."""
    if measure.value is None:
        return f"undefined. {measure.undefined_reason}"
    if measure.low is None or measure.high is None:
        return f"= {measure.value:.2f}"
    return f"= {measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}]"


def reach(measure: MeasureRead) -> tuple[float, float] | None:
    """Return how far the interval reaches above and below the value; None without one.

    A percentile interval need not contain the value; a bar from the value then ends at it.
    """
    if measure.value is None or measure.low is None or measure.high is None:
        return None
    return max(0.0, measure.high - measure.value), max(0.0, measure.value - measure.low)


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
        untold = {row.architecture for row in scores if row.scorer == scorer}
        return empty_figure(
            SCATTER_TITLE,
            why_no_truths(run, len(untold)) if untold else why_no_scores(run, scorer),
            theme=theme,
            uirevision=revision,
        )
    moment = "after training" if found.stage == "final" else f"live, step {found.step:,}"
    ties = (
        f" · tied pairs: {ties_text(found.overall.score_ties, found.overall.truth_ties)}"
        if found.overall
        else ""
    )
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


NO_BENCHMARK = "This run has no benchmark, so there is no ground truth<br>to compare scores with."


def why_no_truths(run: RunRead, number: int) -> str:
    """Return why none of the architectures that were scored, so many, stands beside ground truth."""
    if run.benchmark is None:
        return NO_BENCHMARK
    return (
        f"None of the {number:,} architectures that were scored is in {run.benchmark}.<br>"
        "Draw those to rank from the benchmark (ranking.among), or rank more of them."
    )


def why_no_scores(run: RunRead, scorer: str) -> str:
    """Return why a run has no scores of a scorer."""
    if run.benchmark is None:
        return NO_BENCHMARK
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
