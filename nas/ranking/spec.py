"""RankingSpec: how architectures are scored. Importing it loads no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from nas.errors import InfeasibleCombination
from nas.plugin import refused_at
from nas.ranking.batch_norm import AnyBatchNormPolicy
from nas.ranking.batch_norm.batch_stats import BatchStats
from nas.ranking.measures import SPARSE_THRESHOLD
from nas.ranking.scorers import AnyScorer
from nas.ranking.scorers.base import CombinedScorer, Scorer, SupernetScorer
from nas.ranking.scorers.loss import LossScorer
from nas.spec_part import SpecPart
from nas.training.spec import MAX_STEPS


class RankingSpec(SpecPart):
    """How architectures are scored, live and at the end."""

    scorers: tuple[AnyScorer, ...] = Field(
        default_factory=lambda: (LossScorer(),), min_length=1, description="Higher is better."
    )
    num_architectures: int = Field(
        200, ge=2, le=100_000, description="Random valid architectures scored after training."
    )
    among: Literal["benchmark"] | None = Field(
        None,
        description="What they are drawn from. benchmark: the architectures that the run's "
        "benchmark holds, for one of few architectures; null: the whole space, whatever it holds.",
    )
    every_steps: int = Field(
        1000,
        ge=1,
        le=MAX_STEPS,
        description="A round of live ranking ends after this many global steps.",
    )
    live_architectures: int = Field(
        50, ge=2, le=10_000, description="How many of them each live round scores."
    )
    live_images: int = Field(
        250,
        ge=2,
        le=100_000,
        description="Validation images per live score: with the defaults for the rounds, live "
        "ranking costs at most 15 % of training time.",
    )
    reference_architectures: int = Field(
        1000,
        ge=2,
        le=100_000,
        description="Random valid architectures of the space, the same for every run on it, against "
        "which combined scorers rank; without such a scorer none is scored.",
    )
    num_images: int = Field(1000, ge=2, le=100_000, description="Validation images per score.")
    batch_size: int = Field(
        250,
        ge=2,
        le=4096,
        description="Images per batch; with batch-stats it gives BatchNorm's statistics.",
    )
    batch_norm: AnyBatchNormPolicy = Field(
        default_factory=BatchStats,
        description="Whose statistics BatchNorm has in live and final scores and in the search. "
        "Part of the result's conditions.",
    )
    sparse_threshold: float = Field(
        SPARSE_THRESHOLD,
        gt=0,
        le=100,
        description="Percentage points: sparse tau takes stand-alone accuracies in bins this wide.",
    )

    @model_validator(mode="after")
    def _scorers_differ(self) -> Self:
        kinds = [scorer.kind for scorer in self.scorers]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"each scorer may be named once, got {kinds}")
        return self

    @model_validator(mode="after")
    def _scorers_can_be_combined(self) -> Self:
        measured = [scorer.kind for scorer in self.measured_scorers]
        for place, scorer in enumerate(self.scorers):
            if isinstance(scorer, CombinedScorer):
                try:
                    scorer.components(measured)
                except InfeasibleCombination as error:
                    where = ("scorers", place, scorer.kind, error.parameter)
                    raise refused_at(where, error.reason) from error
        return self

    @property
    def measured_scorers(self) -> tuple[Scorer, ...]:
        """The scorers that look at an architecture themselves."""
        return tuple(one for one in self.scorers if not isinstance(one, CombinedScorer))

    @property
    def combined_scorers(self) -> tuple[CombinedScorer, ...]:
        """The scorers that combine those; the final ranking alone has them."""
        return tuple(one for one in self.scorers if isinstance(one, CombinedScorer))

    @property
    def live_scorers(self) -> tuple[SupernetScorer, ...]:
        """The scorers of live rounds: those whose scores change while supernets are trained."""
        return tuple(scorer for scorer in self.scorers if isinstance(scorer, SupernetScorer))

    @property
    def shown_scorer(self) -> str:
        """The kind of the scorer that stands for the run: its first live one, else its first."""
        return (*self.live_scorers, *self.scorers)[0].kind
