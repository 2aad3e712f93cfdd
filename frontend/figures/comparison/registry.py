"""Every figure that compares runs, by the name of its counterpart for one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from frontend.figures.balance import BALANCE_TITLE
from frontend.figures.chosen import USUAL, Chosen
from frontend.figures.comparison.balance import training_balances
from frontend.figures.comparison.ranking import rank_correlations, taus_over_steps
from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.comparison.search import bests_so_far
from frontend.figures.comparison.training import training_losses
from frontend.figures.ranking import SCATTER_TITLE
from frontend.figures.ranking_over_steps import TITLE as TAU_TITLE
from frontend.figures.search import TITLE as SEARCH_TITLE
from frontend.figures.training import TITLE as LOSS_TITLE


@dataclass(frozen=True, slots=True)
class ComparisonDefinition:
    """One figure of several runs.

    Attributes:
        name: in addresses and component ids.
        title: for people.
        needs: names of the fields of `ComparedRun` that `draw` reads, beside `run`.
        draw: the pure function of the runs and the theme.
        has_measure: whether `draw` takes a measure of the rankings, `measure`.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[..., go.Figure]  # (runs, *, theme)
    has_measure: bool = False

    def of(self, runs: Sequence[ComparedRun], theme: str, chosen: Chosen = USUAL) -> go.Figure:
        """Draw `runs`, which may hold more than this figure needs.

        Args:
            runs: as `frontend.rows.read_compared` returns them for the same choice.
            theme: light or dark.
            chosen: what a viewer chose; a figure takes of it what it shows.
        """
        if self.has_measure:
            return self.draw(runs, measure=chosen.measure, theme=theme)
        return self.draw(runs, theme=theme)


COMPARISONS: Mapping[str, ComparisonDefinition] = {
    definition.name: definition
    for definition in (
        ComparisonDefinition(
            "rank-correlation",
            SCATTER_TITLE,
            ("correlations",),
            rank_correlations,
            has_measure=True,
        ),
        ComparisonDefinition(
            "tau-over-steps", TAU_TITLE, ("correlations",), taus_over_steps, has_measure=True
        ),
        ComparisonDefinition(
            "training-balance", BALANCE_TITLE, ("subspaces", "balance"), training_balances
        ),
        ComparisonDefinition("training-loss", LOSS_TITLE, ("metrics",), training_losses),
        ComparisonDefinition("best-so-far", SEARCH_TITLE, ("candidates",), bests_so_far),
    )
}
