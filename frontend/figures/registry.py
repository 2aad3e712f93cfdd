"""Every figure by name; the REST endpoints and the pages draw from these lists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import plotly.graph_objects as go

from frontend.figures.balance import (
    BALANCE_TITLE,
    OPERATIONS_TITLE,
    OVER_STEPS_TITLE,
    operation_balance,
    training_balance,
    updates_over_steps,
)
from frontend.figures.bank_balance import TITLE as BANKS_TITLE
from frontend.figures.bank_balance import bank_balance
from frontend.figures.benchmark import (
    COVERAGE_TITLE,
    DISTRIBUTION_TITLE,
    coverage_bars,
    distribution,
)
from frontend.figures.cell import TITLE as CELL_TITLE
from frontend.figures.cell import best_cell
from frontend.figures.chosen import USUAL, Chosen
from frontend.figures.front import TITLE as FRONT_TITLE
from frontend.figures.front import pareto_front
from frontend.figures.histogram import TITLE as HISTOGRAM_TITLE
from frontend.figures.histogram import histogram
from frontend.figures.partition import TITLE as SIZES_TITLE
from frontend.figures.partition import subspace_sizes
from frontend.figures.preview import COSTS_TITLES, costs, shares
from frontend.figures.preview import SIZES_TITLE as SHARES_TITLE
from frontend.figures.ranking import SCATTER_TITLE, rank_correlation
from frontend.figures.ranking_over_steps import TITLE as TAU_TITLE
from frontend.figures.ranking_over_steps import tau_over_steps
from frontend.figures.retraining import TITLE as RETRAINING_TITLE
from frontend.figures.retraining import retraining_curves
from frontend.figures.search import TITLE as SEARCH_TITLE
from frontend.figures.search import best_so_far
from frontend.figures.search_in_truth import TITLE as TRUTH_TITLE
from frontend.figures.search_in_truth import search_in_truth
from frontend.figures.telemetry import SHARES_TITLE as TIME_TITLE
from frontend.figures.telemetry import SPEED_TITLE, throughput, time_shares
from frontend.figures.training import TITLE as LOSS_TITLE
from frontend.figures.training import training_loss


@dataclass(frozen=True, slots=True)
class FigureDefinition:
    """One figure of a run.

    Attributes:
        name: in addresses and component ids.
        title: for people.
        needs: names of the rows that `draw` takes as keyword arguments, beside `run`, `theme`.
        draw: the pure function.
        has_measure: whether `draw` takes a measure of the ranking, `measure`.
        by_scorer: whether it takes one of the run's scorers, `scorer`.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[..., go.Figure]  # the keyword arguments are those of `needs`
    has_measure: bool = False
    by_scorer: bool = False

    def of(
        self,
        rows: Mapping[str, Any],  # Any: rows differ by name
        theme: str,
        chosen: Chosen = USUAL,
    ) -> go.Figure:
        """Draw from `rows`, which may hold more than this figure needs.

        Args:
            rows: as `frontend.rows.read_rows` returns them for the same choice.
            theme: light or dark.
            chosen: what a viewer chose; a figure takes of it what it shows.
        """
        needed = {name: rows[name] for name in self.needs}
        if self.has_measure:
            needed["measure"] = chosen.measure
        if self.by_scorer:
            needed["scorer"] = chosen.scorer
        return self.draw(rows["run"], **needed, theme=theme)


FIGURES: Mapping[str, FigureDefinition] = {
    definition.name: definition
    for definition in (
        FigureDefinition("subspace-sizes", SIZES_TITLE, ("subspaces", "balance"), subspace_sizes),
        FigureDefinition(
            "training-balance", BALANCE_TITLE, ("subspaces", "balance"), training_balance
        ),
        FigureDefinition(
            "updates-over-steps",
            OVER_STEPS_TITLE,
            ("subspaces", "balance_history"),
            updates_over_steps,
        ),
        FigureDefinition(
            "operation-balance", OPERATIONS_TITLE, ("subspaces", "balance"), operation_balance
        ),
        FigureDefinition("bank-balance", BANKS_TITLE, ("subspaces", "balance"), bank_balance),
        FigureDefinition(
            "rank-correlation",
            SCATTER_TITLE,
            ("subspaces", "scores", "correlations"),
            rank_correlation,
            by_scorer=True,
        ),
        FigureDefinition(
            "tau-over-steps",
            TAU_TITLE,
            ("subspaces", "correlations"),
            tau_over_steps,
            has_measure=True,
            by_scorer=True,
        ),
        FigureDefinition("training-loss", LOSS_TITLE, ("subspaces", "metrics"), training_loss),
        FigureDefinition("throughput", SPEED_TITLE, ("subspaces", "telemetry"), throughput),
        FigureDefinition("time-shares", TIME_TITLE, ("telemetry",), time_shares),
        FigureDefinition("best-so-far", SEARCH_TITLE, ("subspaces", "candidates"), best_so_far),
        FigureDefinition(
            "search-in-truth",
            TRUTH_TITLE,
            ("candidates", "search_control"),
            search_in_truth,
        ),
        FigureDefinition(
            "pareto-front", FRONT_TITLE, ("subspaces", "candidates", "true_front"), pareto_front
        ),
        FigureDefinition(
            "retraining",
            RETRAINING_TITLE,
            ("retrainings", "retraining_epochs"),
            retraining_curves,
        ),
        FigureDefinition("best-cell", CELL_TITLE, ("candidates", "space"), best_cell),
    )
}


@dataclass(frozen=True, slots=True)
class SpaceFigureDefinition:
    """One figure of a search space, of a preview of its partition, or of a benchmark.

    Attributes:
        name: in addresses and component ids.
        title: for people.
        draw: the pure function of the `name@version` and what is known of it.
    """

    name: str
    title: str
    draw: Callable[..., go.Figure]  # what is known differs


SPACE_FIGURES: Mapping[str, SpaceFigureDefinition] = {
    definition.name: definition
    for definition in (SpaceFigureDefinition("histogram", HISTOGRAM_TITLE, histogram),)
}
"""Drawn of a `HistogramRead` and its reading."""

PREVIEW_FIGURES: Mapping[str, SpaceFigureDefinition] = {
    definition.name: definition
    for definition in (
        SpaceFigureDefinition("shares", SHARES_TITLE, shares),
        SpaceFigureDefinition("flops", COSTS_TITLES["flops"], partial(costs, kind="flops")),
        SpaceFigureDefinition(
            "parameters", COSTS_TITLES["parameters"], partial(costs, kind="parameters")
        ),
    )
}
"""Drawn of a `PartitionPreview`."""

BENCHMARK_FIGURES: Mapping[str, SpaceFigureDefinition] = {
    definition.name: definition
    for definition in (
        SpaceFigureDefinition("distribution", DISTRIBUTION_TITLE, distribution),
        SpaceFigureDefinition("coverage", COVERAGE_TITLE, coverage_bars),
    )
}
"""Drawn of a `ColumnRead` and its `CoverageRead`."""
