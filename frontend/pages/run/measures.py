"""The measures of a run's rankings as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from backend.runs.conditions import further_conditions
from backend.runs.measures import (
    Moment,
    best_text,
    interval_text,
    newest_moments,
    number_text,
    own_number_text,
    scopes,
    ties_text,
    title_with_unit,
)
from backend.runs.schemas import CorrelationRead, RunRead, SubspaceRead
from frontend.figures.ranking import ceiling_text
from frontend.pages.parts import table
from nas.ranking.measures import MEASURES, MeasureName

Component = Any  # Dash's components are generated, without a useful common type

EXPLAINED = (
    "Value and 95 % bootstrap interval; n where a measure is about fewer architectures than were "
    "compared. The noise ceiling bounds τ-b alone. Weighted τ ranks by truth; sparse τ-b takes "
    "truths in bins; parts and k are of the compared architectures; the lower a regret "
    "the better, and it has no interval."
)


def measure_tables(
    run: RunRead, *, subspaces: Sequence[SubspaceRead], rankings: Sequence[CorrelationRead]
) -> Component:
    """Return, per scorer, the measures of the final ranking and of the newest live round."""
    moments = newest_moments(rankings)
    if not moments:
        return dmc.Text("No rank correlation has been computed yet.", c="dimmed", size="sm")
    labels = {str(part.index): part.label for part in subspaces}
    return dmc.Stack(
        [
            *(_moment(run, moment, labels) for moment in moments),
            dmc.Text(EXPLAINED, size="xs", c="dimmed"),
        ],
        gap="lg",
    )


def _moment(run: RunRead, moment: Moment, labels: Mapping[str, str]) -> Component:
    shown = scopes(moment, labels)
    rows = [moment.rows[scope] for scope in shown]
    body: list[list[Component]] = [
        ["architectures", *(f"{row.num_architectures:,}" for row in rows)],
        ["tied pairs", *(ties_text(row.score_ties, row.truth_ties) for row in rows)],
        *([title_with_unit(name), *(_cell(name, row) for row in rows)] for name in MEASURES),
        ["best by prediction", *(_best(row) for row in rows)],
    ]
    conditions = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in further_conditions(row.conditions).items())
        for row in rows
    )
    return dmc.Stack(
        [
            dmc.Title(f"{moment.title} · {ceiling_text(run)}", order=4),
            table(["", *shown.values()], body, "tabular measures"),
            *(dmc.Text(line, size="xs", c="dimmed") for line in conditions),
        ],
        gap="xs",
    )


def _cell(name: MeasureName, row: CorrelationRead) -> Component:
    found = row.measures[name]
    if found.value is None:
        return _noted("undefined", found.undefined_reason or "", below=True)
    interval, number = interval_text(name, found), own_number_text(found, row)
    return _noted(number_text(name, found.value), " ".join(filter(None, (interval, number))))


def _best(row: CorrelationRead) -> Component:
    if row.best is None:
        return "undefined"
    return _noted(best_text(row.best), row.best.architecture, below=True)


def _noted(text: str, note: str, *, below: bool = False) -> Component:
    place = "measure-note measure-note-below" if below else "measure-note"
    return html.Div([html.Span(text), html.Span(note, className=place)])
