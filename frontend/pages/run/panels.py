"""Parts of the run page that are drawn anew from rows when the run has changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
import yaml
from dash import dcc, html

from backend.runs.balance import balance_summary, newest
from backend.runs.latency_text import latency_conditions
from backend.runs.leases import HELPER
from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    RunRead,
    SubspaceRead,
    TelemetryRead,
    UnitRead,
)
from frontend.figures.numbers import grouped, share_text, short
from frontend.figures.ranking import newest_overall
from frontend.figures.search import incumbents
from frontend.figures.telemetry import WAITING, totals
from frontend.figures.waiting import awaited
from frontend.pages import links
from frontend.pages.parts import duration_text, moment_text, state_badge, table
from frontend.pages.run.landmarks import landmark_table
from frontend.pages.run.measures import measure_tables
from frontend.pages.run.progress import progress_panel
from frontend.pages.run.retraining import retrained_tables

Component = Any  # Dash's components are generated, without a useful common type


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of the page.

    Attributes:
        needs: names of the rows that `draw` takes as keyword arguments, beside `run`.
    """

    needs: tuple[str, ...]
    draw: Callable[..., Component]  # the keyword arguments are those of `needs`

    def of(self, rows: Mapping[str, Any]) -> Component:  # Any: rows differ by name
        """Draw from `rows`, which may hold more than this panel needs."""
        return self.draw(rows["run"], **{name: rows[name] for name in self.needs})


def heading(run: RunRead) -> Component:
    """Return name, state and references of a run."""
    facts = [
        run.space,
        run.dataset,
        f"{run.benchmark} ({run.benchmark_column})" if run.benchmark else "no benchmark",
        f"K = {run.num_subspaces}",
        f"seed {run.spec.seed}",
        f"created {moment_text(run.created_at)}",
    ]
    if run.started_at is not None and run.finished_at is not None:
        facts.append(f"took {duration_text(run.finished_at - run.started_at)}")
    children: list[Component] = [dmc.Text(" · ".join(facts), size="sm", c="dimmed")]
    for words, number in (
        ("clone of", run.cloned_from),
        ("weights inherited from", run.inherits_from),
    ):
        if number is not None:
            link = dcc.Link(f"{words} run {number}", href=links.run_page(number))
            children.append(html.Div(link))
    return html.Div(
        [
            dmc.Group(
                [
                    dmc.Title(run.name, order=2),
                    dmc.Text(f"#{run.id}", c="dimmed", size="lg"),
                    state_badge(run.state, size="lg"),
                    *([dmc.Badge("archived", color="gray", tt="none")] if run.archived else []),
                ],
                gap="sm",
            ),
            *children,
        ]
    )


def notice(run: RunRead) -> Component:
    """Return why a run waits, failed or was paused by the server, where it does."""
    if run.failure_message is not None and run.state == "failed":
        return dmc.Alert(
            run.failure_message,
            title=f"This run failed ({run.failure_class}).",
            color="red",
            variant="light",
            mt="sm",
        )
    if run.failure_message is not None and run.state in ("pausing", "paused"):
        return dmc.Alert(
            run.failure_message,
            title=f"Paused by the server ({run.failure_class}).",
            color="yellow",
            variant="light",
            mt="sm",
        )
    if run.waiting_reason is not None:
        return dmc.Alert(
            run.waiting_reason, title="Waiting", color="gray", variant="light", mt="sm"
        )
    return []


def summary(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance: Sequence[BalanceRead],
    correlations: Sequence[CorrelationRead],
    candidates: Sequence[CandidateRead],
) -> Component:
    """Return the run in four numbers."""
    cards = [
        _tau_card(run, correlations),
        _balance_card(subspaces, balance),
        _progress_card(run, balance),
        _best_card(run, candidates),
    ]
    return dmc.SimpleGrid(cards, cols={"base": 2, "md": 4}, spacing="sm")


def combination_table(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    combinations: Sequence[CombinationRead],
) -> Component:
    """Return what every combined scorer combines, and how well it foretells a landmark left out."""
    if not run.spec.ranking.combined_scorers:
        return []
    if not combinations:
        return dmc.Text("Scores are combined once all are measured.", c="dimmed", size="sm")
    head = [
        "combined scorer", "combines", "ranks among", "landmarks", "leave-one-out τ-b",
        *(f"offset of {part.label}" for part in subspaces),
    ]  # fmt: skip
    body = [
        [
            found.scorer,
            ", ".join(found.components),
            f"{found.num_reference:,}",
            f"{found.num_landmarks:,}" if found.offsets is not None else "–",
            _number(found.left_out_tau) if found.offsets is not None else "–",
            *(
                ["–"] * len(subspaces)
                if found.offsets is None
                else [f"{offset:+.3f}" for offset in found.offsets]
            ),
        ]
        for found in combinations
    ]
    explained = (
        "Ranks are those among the reference sample of the space, the same for every run on it."
        " Leave-one-out: each landmark's accuracy against its score by a regression on the others."
        " Offsets are on the scale of the regression (logits unless the spec says otherwise)."
    )
    return dmc.Stack([table(head, body), dmc.Text(explained, size="xs", c="dimmed")], gap="xs")


def supernet_table(run: RunRead, *, subspaces: Sequence[SubspaceRead]) -> Component:
    """Return every sub-space with its supernet."""
    if not subspaces:
        return dmc.Text("The space has not been split yet.", c="dimmed", size="sm")
    head = [
        "sub-space",
        "valid",
        "share",
        "target share of updates",
        "supernet width",
        "parameters",
    ]
    landmarked = any(part.num_landmarks is not None for part in subspaces)
    if landmarked:
        head += ["landmarks", "pairs inside"]
    body = [
        [
            part.label,
            short(part.size_valid),
            share_text(part.share_valid),
            "–" if part.target_share is None else share_text(part.target_share),
            f"{part.supernet_width:,}",
            grouped(part.supernet_parameters),
            *([_count(part.num_landmarks), _pairs(part)] if landmarked else []),
        ]
        for part in subspaces
    ]
    notes = {
        "class": "Trainable parameters of each sub-space's private supernet.",
        "accumulated": "One supernet holds all sub-spaces: its trainable parameters with one bank "
        "per cell.",
    }
    return dmc.Stack(
        [
            table(head, body),
            dmc.Text(notes[run.spec.supernet.routing], size="xs", c="dimmed"),
        ],
        gap="xs",
    )


def unit_table(run: RunRead, *, units: Sequence[UnitRead]) -> Component:
    """Return every unit with its state, attempts and owner."""
    head = ["unit", "state", "progress", "times claimed", "owner", "waits for", "last word"]
    body = [
        [
            unit.key,
            state_badge(unit.state, size="sm"),
            _done(unit),
            str(unit.attempt),
            unit.owner or "",
            _awaited_by(unit),
            unit.failure_message or _ago(unit.progress_at),
        ]
        for unit in units
    ]
    return table(head, body)


def _done(unit: UnitRead) -> str:
    if unit.total:
        return f"{unit.progress:,} / {unit.total:,}"
    # Nobody knows beforehand how much helpers of a search evaluate.
    return f"{unit.progress:,}" if unit.progress else ""


def _awaited_by(unit: UnitRead) -> str:
    """Return what a unit waits for before it can begin."""
    if unit.state == "waiting":
        return ", ".join(unit.depends_on)
    if unit.kind == HELPER and unit.state == "ready":
        return "a free slot; the search does not need it"
    return ""


def telemetry_table(run: RunRead, *, telemetry: Sequence[TelemetryRead]) -> Component:
    """Return speed, useful time and use of the machine of every unit, over all of its work."""
    if not telemetry:
        return dmc.Text(awaited(run, *WAITING).replace("<br>", " "), c="dimmed", size="sm")
    head = [
        "unit", "worked on", "steps/s", "samples/s", "useful", "checkpoints", "CPU", "memory",
        "GPU", "GPU memory",
    ]  # fmt: skip
    body = [
        [
            total.name,
            f"{total.seconds:,.1f} s",
            _rate(total.steps_per_second),
            _rate(total.samples_per_second),
            f"{total.useful_share:.1%}",
            f"{total.parts['checkpoint']:.2f} s",
            _percent(total.cpu_percent),
            _gigabytes(total.memory_bytes),
            _percent(total.gpu_percent),
            _gigabytes(total.gpu_memory_bytes),
        ]
        for total in totals(telemetry)
    ]
    explained = (
        "A sample is one training image through one architecture; rates are per second of the time"
        " in which the unit was worked on. Useful: training and ranking. CPU: 100 % is one core."
        " Memory: the most seen, of the process; GPU values are those of the whole device."
    )
    return dmc.Stack([table(head, body), dmc.Text(explained, size="xs", c="dimmed")], gap="xs")


def latency_note(run: RunRead, *, candidates: Sequence[CandidateRead]) -> Component:
    """Return what the latencies of the candidates below rest on; nothing where there are none."""
    told = latency_conditions(run, candidates)
    return [] if told is None else dmc.Text(f"Latency {told}.", size="xs", c="dimmed")


def spec_text(run: RunRead) -> Component:
    """Return the spec as YAML, ready to be pasted into the form or given to the CLI."""
    text = yaml.safe_dump(run.spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return dmc.CodeHighlight(code=text, language="yaml", copyLabel="Copy")


PANELS: Mapping[str, Panel] = {
    "heading": Panel((), heading),
    "notice": Panel((), notice),
    "progress": Panel(("units", "subspaces"), progress_panel),
    "summary": Panel(("subspaces", "balance", "correlations", "candidates"), summary),
    "correlations": Panel(("subspaces", "rankings"), measure_tables),
    "combinations": Panel(("subspaces", "combinations"), combination_table),
    "supernets": Panel(("subspaces",), supernet_table),
    "landmarks": Panel(("subspaces", "landmarks"), landmark_table),
    "retrained": Panel(("subspaces", "retrained", "retrainings"), retrained_tables),
    "latency": Panel(("candidates",), latency_note),
    "telemetry": Panel(("telemetry",), telemetry_table),
    "units": Panel(("units",), unit_table),
    "spec": Panel((), spec_text),
}


def _tau_card(run: RunRead, correlations: Sequence[CorrelationRead]) -> Component:
    ceiling = (
        "noise ceiling unknown"
        if run.noise_ceiling is None
        else f"ceiling {run.noise_ceiling:.2f}"
    )
    if run.benchmark is None:
        return _card("Rank correlation τ-b", "–", "no benchmark to compare with")
    newest_row = newest_overall(run, correlations)
    if newest_row is None:
        return _card("Rank correlation τ-b", "–", ceiling)
    tau = newest_row.tau
    interval = "" if tau.low is None else f"[{tau.low:.2f}, {tau.high:.2f}] · "
    reason = "" if tau.undefined_reason is None else f"{tau.undefined_reason} · "
    stage = "final" if newest_row.stage == "final" else f"step {newest_row.step:,}"
    return _card(
        "Rank correlation τ-b",
        "undefined" if tau.value is None else f"{tau.value:.3f}",
        f"{reason}{interval}n = {newest_row.num_architectures:,} · {stage} · {ceiling}",
    )


def _balance_card(subspaces: Sequence[SubspaceRead], balance: Sequence[BalanceRead]) -> Component:
    found = balance_summary(subspaces, balance)
    title = "Training balance (entropy)"
    if found.entropy is None:
        return _card(title, "–", f"undefined: {found.undefined_reason}")
    shares = [supernet.share for supernet in found.supernets]
    return _card(
        title, f"{found.entropy:.3f}", f"shares {min(shares):.1%} to {max(shares):.1%}, even = 1"
    )


def _progress_card(run: RunRead, balance: Sequence[BalanceRead]) -> Component:
    samples = sum(row.samples for row in newest(balance))
    return _card(
        "Architectures trained",
        f"{samples:,}",
        f"{run.spec.training.steps:,} steps in all, warm-up included",
    )


def _best_card(run: RunRead, candidates: Sequence[CandidateRead]) -> Component:
    if run.spec.search is None:
        return _card("Best candidate", "–", "this run has no search")
    if not candidates:
        return _card("Best candidate", "–", "the search has not begun")
    best = incumbents(candidates)[-1]
    evaluated = f"{len(candidates):,} of {run.spec.search.budget:,} evaluations"
    if best.true_accuracy is None:
        return _card("Best candidate", f"{best.score:.3g}", f"score · {evaluated}")
    rank = "" if best.true_rank is None else f"true rank {best.true_rank:,} · "
    return _card("Best candidate", f"{best.true_accuracy:.2f} %", f"{rank}{evaluated}")


def _card(title: str, value: str, detail: str) -> Component:
    return dmc.Paper(
        [
            dmc.Text(title, size="xs", c="dimmed", fw=500),
            dmc.Text(value, size="xl", fw=700, className="tabular"),
            dmc.Text(detail, size="xs", c="dimmed"),
        ],
        withBorder=True,
        p="sm",
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _pairs(part: SubspaceRead) -> str:
    return "none" if part.num_landmark_pairs == 0 else _count(part.num_landmark_pairs)


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def _gigabytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 1e9:.2f} GB"


def _ago(moment: datetime | None) -> str:
    return "" if moment is None else f"{duration_text(datetime.now(UTC) - moment)} ago"
