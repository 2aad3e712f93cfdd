"""Measures of the ranking over global steps, overall and by sub-space."""

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.runs.conditions import unusual_conditions
from backend.runs.measures import OVERALL, title_with_unit
from backend.runs.schemas import CorrelationRead, RunRead, SubspaceRead
from frontend.figures.ranking import (
    ceiling_text,
    reach,
    shown_scorer,
    value_text,
    why_no_scores,
)
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
from nas.ranking.measures import MEASURES, MeasureName

TITLE = "Rank correlation over steps"


def tau_over_steps(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    correlations: Sequence[CorrelationRead],
    measure: MeasureName = "tau",
    scorer: str | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a measure over global steps: overall with its interval, and per sub-space."""
    # Zoom is kept while one measure by one scorer is shown; another one has another scale.
    parts = [f"tau-over-steps-{run.id}", "" if measure == "tau" else measure, scorer]
    revision = "-".join(filter(None, parts))
    scorer = scorer or shown_scorer(run)
    rows = [row for row in correlations if row.scorer == scorer]
    known = [row for row in rows if row.measures[measure].value is not None]
    if not known:
        message = _why_nothing(measure, rows) if rows else why_no_scores(run, scorer)
        return empty_figure(over_steps_title(measure), message, theme=theme, uirevision=revision)
    live = sorted((row for row in known if row.stage != "final"), key=lambda row: row.step)
    overall = [row for row in live if row.scope == OVERALL]
    newest = max(known, key=lambda row: (row.step, row.stage == "final"))
    caption = [
        f"{MEASURES[measure].title} by {scorer}",
        f"n = {_numbers(measure, overall or live)} per live round"
        if live
        else "after training alone",
        "band: 95 % bootstrap interval" if MEASURES[measure].has_interval else "",
        beside(measure, ceiling_text(run)),
        *unusual_conditions(newest.conditions),
    ]
    drawn = figure(
        over_steps_title(measure),
        " · ".join(filter(None, caption)),
        theme=theme,
        uirevision=revision,
    )
    for part in subspaces:
        _add_subspace(drawn, part, [row for row in live if row.scope == str(part.index)], measure)
    _add_overall(drawn, overall, measure, theme)
    final = [row for row in known if (row.stage, row.scope) == ("final", OVERALL)]
    _add_final(drawn, final, measure, theme)
    _add_marks(drawn, run, measure, theme)
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "range": [0, run.spec.training.steps * 1.03]},
        yaxis={"title": {"text": title_with_unit(measure)}},
        showlegend=True,
    )
    return drawn


def over_steps_title(measure: MeasureName) -> str:
    """Return what a figure of a measure over steps is called."""
    return TITLE if measure == "tau" else f"{MEASURES[measure].title} over steps"


def beside(measure: MeasureName, ceiling: str) -> str:
    """Return a noise ceiling in words as it stands beside a measure: it bounds tau-b alone."""
    return ceiling if measure == "tau" else f"{ceiling} (of τ-b)"


def _why_nothing(measure: MeasureName, rows: Sequence[CorrelationRead]) -> str:
    newest = max(rows, key=lambda row: (row.scope == OVERALL, row.step, row.stage == "final"))
    reason = newest.measures[measure].undefined_reason
    unusual = "".join(f" ({text})" for text in unusual_conditions(newest.conditions))
    return f"{MEASURES[measure].title} is undefined at every step. {reason}{unusual}"


def _numbers(measure: MeasureName, rows: Sequence[CorrelationRead]) -> str:
    sizes = sorted({row.measures[measure].num_architectures for row in rows})
    return "–".join(f"{size:,}" for size in dict.fromkeys((*sizes[:1], *sizes[-1:]))) or "0"


def _points(
    rows: Sequence[CorrelationRead], measure: MeasureName
) -> dict[str, list[int] | list[float | None] | list[list[object]]]:
    """Return coordinates of a trace, and n and the interval in words for its hover."""
    found = [row.measures[measure] for row in rows]
    return {
        "x": [row.step for row in rows],
        "y": [one.value for one in found],
        "customdata": [[one.num_architectures, value_text(one)] for one in found],
    }


def _hover(moment: str, name: str) -> str:
    return f"{moment}<br>%{{customdata[1]}}, n = %{{customdata[0]:,}}<extra>{name}</extra>"


def _add_subspace(
    drawn: go.Figure, part: SubspaceRead, rows: Sequence[CorrelationRead], measure: MeasureName
) -> None:
    drawn.add_scatter(
        name=part.label,
        mode="lines+markers",
        **_points(rows, measure),
        line={
            "color": subspace_colour(part.index),
            "width": 1.5,
            "dash": subspace_dash(part.index),
        },
        marker={"size": 5, "symbol": subspace_symbol(part.index)},
        hovertemplate=_hover("step %{x:,}", part.label),
    )


def _add_overall(
    drawn: go.Figure, rows: Sequence[CorrelationRead], measure: MeasureName, theme: Theme
) -> None:
    banded = [
        (row.step, one.low, one.high)
        for row in rows
        if (one := row.measures[measure]).low is not None and one.high is not None
    ]
    drawn.add_scatter(
        name="95 % interval",
        mode="lines",
        x=[step for step, _, _ in (*banded, *reversed(banded))],
        y=[low for _, low, _ in banded] + [high for _, _, high in reversed(banded)],
        fill="toself",
        fillcolor=translucent(INK[theme], 0.12),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        name=OVERALL,
        mode="lines+markers",
        **_points(rows, measure),
        line={"color": INK[theme], "width": 3},
        marker={"size": 7},
        hovertemplate=_hover("step %{x:,}", "overall"),
    )


def _add_final(
    drawn: go.Figure, rows: Sequence[CorrelationRead], measure: MeasureName, theme: Theme
) -> None:
    for row in rows:
        found = row.measures[measure]
        above_below = reach(found)
        bars = {} if above_below is None else {"error_y": _bars(*above_below)}
        drawn.add_scatter(
            name=f"final (n = {found.num_architectures:,})",
            mode="markers",
            **_points([row], measure),
            **bars,
            marker={"size": 12, "symbol": "star", "color": INK[theme]},
            hovertemplate=_hover("after training", "final"),
        )


def _bars(above: float, below: float) -> dict[str, object]:
    return {"type": "data", "array": [above], "arrayminus": [below], "thickness": 1.5}


def _add_marks(drawn: go.Figure, run: RunRead, measure: MeasureName, theme: Theme) -> None:
    font = {"size": 11, "color": MUTED[theme]}
    # The ceiling is a tau-b, and bounds no other measure.
    if measure == "tau" and run.noise_ceiling is not None:
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
