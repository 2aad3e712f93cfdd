"""A measure of the rankings of several runs, tau-b beside its noise ceiling."""

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from backend.runs.conditions import further_conditions
from backend.runs.measures import OVERALL, ties_text, title_with_unit
from backend.runs.schemas import CorrelationRead, MeasureRead, RunRead
from frontend.figures.comparison.layout import (
    give_each_run_a_row,
    lacking,
    nothing,
    started,
    unlike,
)
from frontend.figures.comparison.runs import ComparedRun, differing, numbers_of, span
from frontend.figures.ranking import (
    SCATTER_TITLE,
    ceiling_text,
    newest_overall,
    reach,
    shown_scorer,
    value_text,
)
from frontend.figures.ranking_over_steps import beside, over_steps_title
from frontend.figures.style import MUTED, Theme
from nas.ranking.measures import MEASURES, MeasureName

ASPECTS = ("search space", "dataset", "benchmark", "scorer")
NO_WARNING = ("seed", "benchmark")
"""Conditions whose difference is the point of a comparison, or is told by `ASPECTS`."""


def rank_correlations(
    runs: Sequence[ComparedRun], *, measure: MeasureName = "tau", theme: Theme = "light"
) -> go.Figure:
    """Draw a measure of each run's newest overall ranking with its interval.

    A tick is at the noise ceiling of each run's benchmark where the measure is tau-b.
    """
    name = _named("rank-correlation", measure)
    title = SCATTER_TITLE if measure == "tau" else MEASURES[measure].title
    newest = [newest_overall(one.run, one.correlations) for one in runs]
    shown = [
        (one, row)
        for one, row in zip(runs, newest, strict=True)
        if row is not None and row.measures[measure].value is not None
    ]
    if not shown:
        return nothing(name, title, _why_nothing(measure, runs), runs, theme=theme)
    ceilings = ceilings_text(runs)
    drawn = started(
        name,
        title,
        [
            f"overall {MEASURES[measure].title} by {_scorers(runs)}",
            f"n = {_numbers(measure, shown)}",
            "bar: 95 % interval" if MEASURES[measure].has_interval else "",
            f"tick: {ceilings}" if measure == "tau" else beside(measure, ceilings),
        ],
        runs,
        theme=theme,
        notes=[unlike(_differing(shown))],
    )
    for one, row in zip(runs, newest, strict=True):
        _add_value(drawn, one, row, measure)
    give_each_run_a_row(
        drawn,
        runs,
        marks=[one.run.noise_ceiling if measure == "tau" else None for one in runs],
        words=[
            _why_no_value(one.run, row, measure) for one, row in zip(runs, newest, strict=True)
        ],
        theme=theme,
    )
    drawn.update_layout(xaxis={"title": {"text": title_with_unit(measure)}})
    return drawn


def _add_value(
    drawn: go.Figure, one: ComparedRun, row: CorrelationRead | None, measure: MeasureName
) -> None:
    shown = [] if row is None or row.measures[measure].value is None else [row]
    values = [row.measures[measure].value for row in shown]
    bars = [bar for row in shown if (bar := reach(row.measures[measure])) is not None]
    drawn.add_scatter(
        name=one.label,
        meta={"run": one.run.id},
        mode="markers+text",
        x=values,
        y=[one.label for _ in shown],
        error_x={
            "type": "data",
            "array": [above for above, _ in bars],
            "arrayminus": [below for _, below in bars],
            "thickness": 2,
            "width": 5,
        },
        marker={"color": one.colour, "symbol": one.symbol, "size": 11},
        text=[f"{value:.2f}" for value in values],
        textposition="top center",
        textfont={"size": 11},
        cliponaxis=False,
        customdata=[_hover(one.run, row, measure) for row in shown],
        hovertemplate="%{customdata}",
    )


def taus_over_steps(
    runs: Sequence[ComparedRun], *, measure: MeasureName = "tau", theme: Theme = "light"
) -> go.Figure:
    """Draw a measure of each run over global steps, its value after training as a star."""
    name = _named("tau-over-steps", measure)
    live = [_overall(one, "live", measure) for one in runs]
    final = [_overall(one, "final", measure) for one in runs]
    rounds = [(one, row) for one, rows in zip(runs, live, strict=True) for row in rows]
    ends = [(one, row) for one, rows in zip(runs, final, strict=True) for row in rows]
    title = over_steps_title(measure)
    if not rounds and not ends:
        return nothing(name, title, _why_nothing(measure, runs), runs, theme=theme)
    drawn = started(
        name,
        title,
        [
            f"overall {MEASURES[measure].title} by {_scorers(runs)}",
            f"n = {_numbers(measure, rounds)} per live round" if rounds else "",
            f"star: final, n = {_numbers(measure, ends)}" if ends else "",
            beside(measure, ceilings_text(runs)),
        ],
        runs,
        theme=theme,
        notes=[
            lacking(runs, [one for one, _ in (*rounds, *ends)]),
            unlike(_differing(rounds or ends)),
        ],
    )
    for one, line, star in zip(runs, live, final, strict=True):
        _add_line(drawn, one, line, star, measure)
    for ceiling in _ceilings(runs) if measure == "tau" else ():
        drawn.add_hline(
            y=ceiling,
            line={"dash": "dash", "width": 1.5, "color": MUTED[theme]},
            annotation={
                "text": f"noise ceiling {ceiling:.2f}",
                "font": {"size": 11, "color": MUTED[theme]},
            },
            annotation_position="top left",
        )
    longest = max(one.run.spec.training.steps for one in runs)
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "range": [0, longest * 1.03]},
        yaxis={"title": {"text": title_with_unit(measure)}},
        showlegend=True,
    )
    return drawn


def _add_line(
    drawn: go.Figure,
    one: ComparedRun,
    line: Sequence[CorrelationRead],
    star: Sequence[CorrelationRead],
    measure: MeasureName,
) -> None:
    # A gap keeps the star off the line: it is of another sample.
    points = [*line, *(row for end in star for row in (None, end))]
    drawn.add_scatter(
        name=one.label,
        meta={"run": one.run.id},
        mode="lines+markers",
        x=[None if row is None else row.step for row in points],
        y=[None if row is None else row.measures[measure].value for row in points],
        line={"color": one.colour, "dash": one.dash, "width": 2},
        marker={
            "line": {"width": 0},
            "symbol": [one.symbol] * len(line) + ["star"] * (2 * len(star)),
            "size": [6] * len(line) + [14] * (2 * len(star)),
        },
        customdata=[None if row is None else _hover(one.run, row, measure) for row in points],
        hovertemplate="%{customdata}",
    )


def ceilings_text(runs: Sequence[ComparedRun]) -> str:
    """Return the noise ceilings of the runs' benchmarks in words."""
    known = [f"{ceiling:.2f}" for ceiling in _ceilings(runs)]
    unknown = [
        one for one in runs if one.run.benchmark is not None and one.run.noise_ceiling is None
    ]
    if not known:
        return "noise ceiling unknown"
    text = f"noise ceiling {'–'.join(dict.fromkeys((known[0], known[-1])))}"
    return f"{text}, unknown for {numbers_of(unknown)}" if unknown else text


def _ceilings(runs: Iterable[ComparedRun]) -> list[float]:
    """Return the known noise ceilings, ascending, each once."""
    return sorted({one.run.noise_ceiling for one in runs if one.run.noise_ceiling is not None})


def _scorers(runs: Iterable[ComparedRun]) -> str:
    return ", ".join(dict.fromkeys(shown_scorer(one.run) for one in runs))


def _named(figure: str, measure: MeasureName) -> str:
    # Another measure has another scale: what was zoomed is not kept.
    return figure if measure == "tau" else f"{figure}-{measure}"


def _numbers(measure: MeasureName, shown: Sequence[tuple[ComparedRun, CorrelationRead]]) -> str:
    return span(row.measures[measure].num_architectures for _, row in shown)


def _overall(one: ComparedRun, stage: str, measure: MeasureName) -> list[CorrelationRead]:
    scorer = shown_scorer(one.run)
    return sorted(
        (
            row
            for row in one.correlations
            if (row.scorer, row.scope, row.stage) == (scorer, OVERALL, stage)
            and row.measures[measure].value is not None
        ),
        key=lambda row: row.step,
    )


def _differing(shown: Sequence[tuple[ComparedRun, CorrelationRead]]) -> list[str]:
    """Return in what the runs that are shown, and the correlations of them, are not alike."""
    conditions = [
        {"stage (live, final)": row.stage, **further_conditions(row.conditions)}
        for _, row in shown
    ]
    names = dict.fromkeys(name for found in conditions for name in found)
    return [
        *differing([one for one, _ in shown], ASPECTS),
        *(
            name
            for name in names
            if name not in NO_WARNING and len({found.get(name) for found in conditions}) > 1
        ),
    ]


def _hover(run: RunRead, row: CorrelationRead, measure: MeasureName) -> str:
    found = row.measures[measure]
    lines = [
        "after training" if row.stage == "final" else f"live, step {row.step:,}",
        _value_text(measure, found),
        f"n = {found.num_architectures:,}",
        f"tied pairs: {ties_text(found.score_ties, found.truth_ties)}",
        beside(measure, ceiling_text(run)),
        *(f"{name} {value}" for name, value in further_conditions(row.conditions).items()),
    ]
    return "<br>".join(lines)


def _value_text(measure: MeasureName, found: MeasureRead) -> str:
    """Return a measure with its 95 % interval, or why it is undefined."""
    return f"{'τ' if measure == 'tau' else MEASURES[measure].title} {value_text(found)}"


def _why_no_value(run: RunRead, row: CorrelationRead | None, measure: MeasureName) -> str | None:
    if row is None:
        return "no benchmark" if run.benchmark is None else "not ranked yet"
    found = row.measures[measure]
    return _value_text(measure, found) if found.value is None else None


def _why_nothing(measure: MeasureName, runs: Sequence[ComparedRun]) -> str:
    if all(one.run.benchmark is None for one in runs):
        return (
            "None of these runs has a benchmark, so there is no ground truth"
            "<br>to compare scores with."
        )
    newest = filter(None, (newest_overall(one.run, one.correlations) for one in runs))
    reasons = dict.fromkeys(row.measures[measure].undefined_reason for row in newest)
    if not reasons:
        return "None of these runs has been ranked yet."
    said = " ".join(filter(None, reasons))
    return f"{MEASURES[measure].title} is undefined for these runs. {said}"
