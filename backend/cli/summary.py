"""What a run found out, as one table."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from backend.benchmarks.schemas import ColumnRead
from backend.cli.client import ApiClient
from backend.runs.balance import balance_summary, newest
from backend.runs.conditions import further_conditions, unusual_conditions
from backend.runs.fronts import front_of
from backend.runs.latency_text import latency_conditions, latency_text
from backend.runs.measures import (
    OVERALL,
    Moment,
    best_text,
    measure_text,
    newest_moments,
    scopes,
    ties_text,
    title_with_unit,
)
from backend.runs.outcome import Outcome
from backend.runs.schemas import (
    BalanceRead,
    BalanceSummary,
    CombinationRead,
    LandmarkRead,
    RetrainedRead,
    RunRead,
    SubspaceRead,
    SupernetBalanceRead,
)
from nas.ranking.measures import MEASURES


def outcome(client: ApiClient, run: RunRead) -> Outcome:
    """Fetch what the table of a run shows."""
    return Outcome(
        run=run,
        benchmark=client.benchmark(run.benchmark) if run.benchmark else None,
        subspaces=client.subspaces(run.id),
        balance=client.balance(run.id),
        correlations=client.correlations(run.id),
        candidates=client.candidates(run.id),
        combinations=client.combinations(run.id) if run.spec.ranking.combined_scorers else (),
        landmarks=client.landmarks(run.id) if run.spec.landmarks is not None else (),
        retrained=client.retrained(run.id),
    )


def summary(found: Outcome) -> Table:
    """Return the table: sub-spaces, updates, rank correlation, and the best cell with its rank."""
    table = Table(title=f"Run {found.run.id}: {found.run.name}", show_header=False)
    table.add_column("what", style="bold")
    table.add_column("found", overflow="fold")
    trained = balance_summary(found.subspaces, found.balance)
    for subspace, supernet in zip(found.subspaces, trained.supernets, strict=True):
        table.add_row(
            f"sub-space {subspace.index} ({subspace.label})",
            f"{subspace.size_all} architectures, {subspace.size_valid} valid "
            f"({subspace.share_valid:.0%}); {_trained_text(supernet)}; supernet of width "
            f"{subspace.supernet_width}, {subspace.supernet_parameters} parameters"
            f"{_landmarks_owned(subspace)}",
        )
    if found.subspaces:
        table.add_row("training balance", balance_text(trained))
    for bank, by_cell in bank_updates(found.balance).items():
        table.add_row(f"weight bank {bank}", _bank_text(by_cell))
    if found.landmarks:
        table.add_row("landmarks", landmark_text(found.landmarks))
    warm_up = found.run.spec.training.warm_up_steps
    if warm_up:
        table.add_row("warm-up", f"{warm_up} updates, shared by all sub-spaces")
    table.add_row("rank correlation", correlation_text(found))
    for combination in found.combinations:
        table.add_row(f"scorer {combination.scorer}", combination_text(found, combination))
    table.add_row("noise ceiling", _ceiling_text(found))
    for what, text in _best_rows(found):
        table.add_row(what, text)
    for one in found.retrained:
        table.add_row("retrained", f"{one.architecture}\n{retrained_text(one)}")
    return table


def retrained_text(found: RetrainedRead) -> str:
    """Return the accuracy of an architecture trained stand-alone beside score and benchmark."""
    trainings = len(found.numbers)
    if found.test_accuracy is None:
        done = f"diverged {found.num_diverged} of {trainings} times" if found.num_diverged else ""
        return f"{done or f'{trainings} trainings, none has ended yet'} (recipe {found.recipe})"
    spread = "" if found.test_deviation is None else f" ± {found.test_deviation:.2f}"
    parts = [
        f"{found.test_accuracy:.2f}{spread} % of the test images, {found.num_done} of {trainings} "
        f"seeds, recipe {found.recipe}"
    ]
    if found.num_diverged:
        parts.append(f"{found.num_diverged} diverged")
    if found.score is not None:
        parts.append(f"score by {found.scorer} {found.score:.4f}")
    if found.true_accuracy is not None:
        parts.append(f"benchmark {found.true_accuracy:.2f} %")
    return "; ".join(parts)


def balance_text(trained: BalanceSummary) -> str:
    """Return how evenly the supernets were trained, in one number beside its target."""
    if trained.entropy is None:
        return f"undefined: {trained.undefined_reason}"
    target = "none" if trained.target_entropy is None else f"{trained.target_entropy:.3f}"
    return f"normalised entropy of updates {trained.entropy:.3f} (even = 1; target {target})"


def bank_updates(balance: Sequence[BalanceRead]) -> dict[int, dict[int, int]]:
    """Return, by weight bank and searched cell (1 for the first), the updates that read it."""
    found: dict[int, dict[int, int]] = {}
    for row in newest(balance):
        for cell, updates_by_bank in enumerate(row.bank_updates, start=1):
            for bank, updates in updates_by_bank.items():
                by_cell = found.setdefault(int(bank), {})
                by_cell[cell] = by_cell.get(cell, 0) + updates
    return dict(sorted(found.items()))


def correlation_text(found: Outcome) -> str:
    """Return tau over all sub-spaces with its interval and n, by the scorer that stands for the run."""
    return _tau_text(found, found.run.spec.ranking.shown_scorer)


def combination_text(found: Outcome, combination: CombinationRead) -> str:
    """Return tau by a combined scorer, what it combines, and what it learned from landmarks."""
    parts = [
        _tau_text(found, combination.scorer),
        f"combines {', '.join(combination.components)} among {combination.num_reference} "
        "architectures",
    ]
    if combination.offsets is not None:
        tau = combination.left_out_tau
        value = "undefined" if tau is None else f"{tau:.3f}"
        offsets = ", ".join(f"{offset:+.3f}" for offset in combination.offsets)
        parts.append(
            f"leave-one-out tau {value} of {combination.num_landmarks} landmarks; "
            f"offsets of the sub-spaces {offsets}"
        )
    return "; ".join(parts)


def _tau_text(found: Outcome, scorer: str) -> str:
    rows = [row for row in found.correlations if (row.scorer, row.scope) == (scorer, OVERALL)]
    if not rows:
        return "none: the run has no benchmark" if found.benchmark is None else "none yet"
    # The final one after the live ones of the same step.
    row = max(rows, key=lambda row: (row.step, row.stage == "final"))
    tau = row.tau
    unusual = "".join(f"; {condition}" for condition in unusual_conditions(row.conditions))
    if tau.value is None:
        return (
            f"undefined for {row.num_architectures} architectures ({scorer}{unusual}): "
            f"{tau.undefined_reason}"
        )
    interval = ""
    if tau.low is not None and tau.high is not None:
        interval = f", 95 % interval {tau.low:.3f} to {tau.high:.3f}"
    return (
        f"tau = {tau.value:.3f}{interval}, n = {row.num_architectures} "
        f"({row.stage}, scorer {scorer}, step {row.step}{unusual})"
    )


def landmark_text(landmarks: Sequence[LandmarkRead]) -> str:
    """Return how many landmarks there are, where their accuracies come from, and their range."""
    known = [landmark.accuracy for landmark in landmarks if landmark.accuracy is not None]
    text = f"{len(landmarks)} (accuracy: {landmarks[0].source})"
    if len(known) < len(landmarks):
        text += f", {len(known)} of them known so far"
    if known:
        text += f", {min(known):.2f} to {max(known):.2f} %"
    return text


def _landmarks_owned(subspace: SubspaceRead) -> str:
    if subspace.num_landmarks is None:
        return ""
    plural = "" if subspace.num_landmarks == 1 else "s"
    text = f"; {subspace.num_landmarks} landmark{plural}"
    return text if subspace.num_landmark_pairs else f"{text}, no pair of them"


def measure_tables(found: Outcome) -> list[Table]:
    """Return one table per scorer: every measure of its newest ranking, overall and by sub-space.

    The ranking after training goes before live rounds.
    """
    moments: dict[str, Moment] = {}
    for moment in newest_moments(found.correlations):
        moments.setdefault(moment.scorer, moment)
    labels = {str(part.index): part.label for part in found.subspaces}
    return [_measure_table(moment, labels, _ceiling_text(found)) for moment in moments.values()]


def _measure_table(moment: Moment, labels: Mapping[str, str], ceiling: str) -> Table:
    shown = scopes(moment, labels)
    rows = [moment.rows[scope] for scope in shown]
    conditions = further_conditions(rows[0].conditions).items()
    table = Table(
        title=f"{moment.title}: measures with 95 % bootstrap intervals",
        caption=f"noise ceiling of tau: {ceiling}; "
        + ", ".join(f"{name} {value}" for name, value in conditions),
    )
    table.add_column("measure", style="bold")
    for title in shown.values():
        table.add_column(title, overflow="fold")
    table.add_row("architectures", *(f"{row.num_architectures:,}" for row in rows))
    table.add_row("tied pairs", *(ties_text(row.score_ties, row.truth_ties) for row in rows))
    for name in MEASURES:
        table.add_row(title_with_unit(name), *(measure_text(name, row) for row in rows))
    table.add_row(
        "best by prediction", *("" if row.best is None else row.best.architecture for row in rows)
    )
    table.add_row("its true accuracy", *(best_text(row.best) for row in rows))
    return table


def _trained_text(supernet: SupernetBalanceRead) -> str:
    text = f"{supernet.updates} updates"
    if supernet.samples != supernet.updates:
        text += f" on {supernet.samples} architectures"
    if supernet.target_share is not None:
        text += f", {supernet.share:.1%} (target {supernet.target_share:.1%})"
    return text


def _bank_text(by_cell: Mapping[int, int]) -> str:
    return "updates " + ", ".join(
        f"{updates} (cell {cell})" for cell, updates in sorted(by_cell.items())
    )


def _ceiling_text(found: Outcome) -> str:
    column = _truth(found)
    if column is None:
        return "no benchmark"
    if column.noise_ceiling is None:
        return "unknown: the benchmark has no seeds"
    seeds = "" if column.seeds is None else f" ({len(column.seeds)} seeds)"
    return f"{column.noise_ceiling:.3f}{seeds}"


def _truth(found: Outcome) -> ColumnRead | None:
    """Return the column of the benchmark that the run is compared with."""
    columns = () if found.benchmark is None else found.benchmark.columns
    return next((column for column in columns if column.name == found.run.benchmark_column), None)


def _best_rows(found: Outcome) -> list[tuple[str, str]]:
    if not found.candidates:
        return []
    best = max(found.candidates, key=lambda candidate: (candidate.score, -candidate.evaluation))
    rows = [
        ("best cell", best.architecture),
        (
            "its score",
            f"{best.score:.4f}, evaluation {best.evaluation} of {len(found.candidates)}",
        ),
    ]
    if (told := latency_conditions(found.run, [best])) is not None:
        rows.append(("its latency", f"{latency_text(best)}: {told}"))
    search = found.run.spec.search
    if search is not None and (front := front_of(search, found.candidates)):
        aims = ", ".join(map(str, search.aims))
        rows.append(("Pareto front", f"{len(front)} of {len(found.candidates)}: {aims}"))
    column = _truth(found)
    if best.true_accuracy is not None and column is not None:
        rank = f"rank {best.true_rank} of {column.num_valid}"
        rows.append(("its true accuracy", f"{best.true_accuracy:.2f} %, {rank}"))
    return rows
