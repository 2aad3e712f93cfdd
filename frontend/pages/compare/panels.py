"""Parts of the comparison that are drawn anew from rows when one of its runs has changed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from backend.runs.balance import balance_summary
from backend.runs.conditions import further_conditions
from backend.runs.measures import interval_text
from frontend.figures.comparison.runs import ASPECTS, ComparedRun, differing, numbers_of
from frontend.figures.ranking import ceiling_value, newest_overall
from frontend.figures.search import incumbents
from frontend.pages import links
from frontend.pages.parts import state_badge, table

Component = Any  # Dash's components are generated, without a useful common type

GROUND = ("search space", "dataset", "benchmark", "scorer")
"""What must be alike for a tau to mean the same in two runs."""
GLYPHS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "cross": "✚",
    "star": "★",
    "hexagon": "⬢",
}
ABSENT = "–"
UNBROKEN = "tabular unbroken"


@dataclass(frozen=True, slots=True)
class ComparisonPanel:
    """One part of the page.

    Attributes:
        needs: names of the fields of `ComparedRun` that `draw` reads, beside `run`.
    """

    needs: tuple[str, ...]
    draw: Callable[[Sequence[ComparedRun]], Component]


def ground(runs: Sequence[ComparedRun]) -> Component:
    """Return what all runs rest on, and a warning where they do not rest on the same."""
    unlike = differing(runs, GROUND)
    held = {aspect: {ASPECTS[aspect](one.run) for one in runs} for aspect in GROUND}
    common = [
        f"{aspect} {value or 'none'}" for aspect, (value, *others) in held.items() if not others
    ]
    children: list[Component] = [dmc.Text(" · ".join(common), size="sm", c="dimmed")]
    if unlike:
        children.append(
            dmc.Alert(
                f"These runs differ in {', '.join(unlike)}: a larger number of one run need not "
                "mean that it is the better one.",
                title="Not measured alike",
                color="orange",
                variant="light",
                mt="sm",
            )
        )
    return html.Div(children)


def result_table(runs: Sequence[ComparedRun]) -> Component:
    """Return the results of every run with the conditions of its tau."""
    head = [
        "run", "state", "τ-b", "95 % interval", "n", "measured", "noise ceiling",
        "balance (entropy)", "best candidate", "",
    ]  # fmt: skip
    body = [
        [
            _link(one),
            state_badge(one.run.state, size="sm"),
            *_tau_cells(one),
            _balance_text(one),
            _best_text(one),
            _without(one, runs),
        ]
        for one in runs
    ]
    return dmc.Stack(
        [
            table(head, body, UNBROKEN),
            *(dmc.Text(line, size="xs", c="dimmed") for line in condition_lines(runs)),
        ],
        gap="xs",
    )


def condition_lines(runs: Sequence[ComparedRun]) -> list[str]:
    """Return what the taus depend on and no column shows; runs are named where they differ."""
    held: dict[str, list[ComparedRun]] = {}
    for one in runs:
        row = newest_overall(one.run, one.correlations)
        if row is not None:
            conditions = further_conditions(row.conditions).items()
            text = ", ".join(f"{name} {value}" for name, value in conditions)
            held.setdefault(f"τ-b by {row.scorer}: {text}", []).append(one)
    if len(held) == 1:
        return list(held)
    return [f"{numbers_of(found)} · {text}" for text, found in held.items()]


def spec_table(runs: Sequence[ComparedRun]) -> Component:
    """Return the fields of the specs that are not the same in all runs."""
    found = spec_differences(runs)
    title = dmc.Title("What differs in the specs", order=4)
    if not found:
        same = "Nothing: apart from their names, these runs have the same spec."
        return dmc.Stack([title, dmc.Text(same, size="sm", c="dimmed")], gap="xs")
    head: list[Component] = ["field", *(_tag(one, f"#{one.run.id}") for one in runs)]
    body: list[list[Component]] = [[html.Code(field), *values] for field, values in found.items()]
    return dmc.Stack([title, table(head, body, UNBROKEN)], gap="xs")


def spec_differences(runs: Sequence[ComparedRun]) -> dict[str, list[str]]:
    """Return, per dotted field that is not the same in all specs, its value in every run.

    Names are left out; references to spaces, datasets and benchmarks are pinned versions.
    """
    flat = [
        dict(_flat(one.run.spec.model_dump(mode="json", exclude={"name"})))
        | {
            "space": one.run.space,
            "dataset": one.run.dataset,
            "benchmark": one.run.benchmark or "null",
            "benchmark_column": one.run.benchmark_column or "null",
        }
        for one in runs
    ]
    fields = dict.fromkeys(field for found in flat for field in found)
    values = {field: [found.get(field, ABSENT) for found in flat] for field in fields}
    return {field: texts for field, texts in values.items() if len(set(texts)) > 1}


def _flat(
    document: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str]]:  # Any: JSON values
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value)


def _tag(one: ComparedRun, text: str) -> Component:
    """Return a text beside the marker that a run has in the figures."""
    return html.Span(
        [
            html.Span(GLYPHS[one.symbol], style={"color": one.colour}),
            html.Span(text, className="compared-run-name", title=text),
        ],
        className="compared-run",
    )


def _link(one: ComparedRun) -> Component:
    text = f"#{one.run.id} {one.run.name}"
    return dcc.Link(_tag(one, text), href=links.run_page(one.run.id), className="grid-link")


def _tau_cells(one: ComparedRun) -> list[str]:
    """Return tau-b, interval, n, the moment they are of, and the noise ceiling."""
    row = newest_overall(one.run, one.correlations)
    ceiling = ceiling_value(one.run)
    if row is None:
        return [ABSENT] * 4 + [ceiling]
    return [
        "undefined" if row.tau.value is None else f"{row.tau.value:.3f}",
        interval_text("tau", row.tau) or ABSENT,
        f"{row.num_architectures:,}",
        "after training" if row.stage == "final" else f"live, step {row.step:,}",
        ceiling,
    ]


def _balance_text(one: ComparedRun) -> str:
    entropy = balance_summary(one.subspaces, one.balance).entropy
    return ABSENT if entropy is None else f"{entropy:.3f}"


def _best_text(one: ComparedRun) -> str:
    if not one.candidates:
        return ABSENT
    best = incumbents(one.candidates)[-1]
    if best.true_accuracy is None:
        return f"score {best.score:.3g}"
    rank = "" if best.true_rank is None else f", true rank {best.true_rank:,}"
    return f"{best.true_accuracy:.2f} %{rank}"


def _without(one: ComparedRun, runs: Sequence[ComparedRun]) -> Component:
    rest = [other.run.id for other in runs if other is not one]
    return dcc.Link("remove", href=links.compare_page(rest), className="grid-link") if rest else ""


COMPARISON_PANELS: Mapping[str, ComparisonPanel] = {
    "ground": ComparisonPanel((), ground),
    "results": ComparisonPanel(
        ("subspaces", "balance", "correlations", "candidates"), result_table
    ),
    "spec": ComparisonPanel((), spec_table),
}
