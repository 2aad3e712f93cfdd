"""RunSpec: every parameter of a run, declared once.

The same class is the REST body, the JSON column, the form of the dashboard and the input of the
science. Its parts stand beside what they describe. Importing it loads no torch.
"""

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from nas.landmarks.sources import AnyLandmarks
from nas.names import BenchmarkColumnName, Reference, RunName
from nas.partition import AnySplitter
from nas.partition.base import Partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import refused_at
from nas.ranking.scorers.base import CombinedScorer
from nas.ranking.spec import RankingSpec
from nas.search import AnySearcher
from nas.search.evolution import EvolutionSearcher
from nas.search.objectives import UNSCORED
from nas.spaces.base import Space
from nas.spec_part import SpecPart
from nas.supernets.spec import SupernetSpec
from nas.training.retrain_spec import RetrainSpec
from nas.training.spec import TrainingSpec


class RunSpec(SpecPart):
    """One experiment: split a space, train a supernet per sub-space, rank, search, retrain."""

    name: RunName = Field(description="Shown in lists.")
    space: Reference = Field(description="Search space, `name` or `name@version`.")
    dataset: Reference = Field(description="Dataset, `name` or `name@version`.")
    benchmark: Reference | None = Field(
        None, description="Ground truth for rank correlation; null for none."
    )
    benchmark_column: BenchmarkColumnName | None = Field(
        None,
        description="Its column of accuracies, such as `cifar10/accuracy`; null for its own choice.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Source of every random choice.")
    splitter: AnySplitter = Field(default_factory=NonlinearitySplitter)
    supernet: SupernetSpec = Field(default_factory=SupernetSpec)
    landmarks: AnyLandmarks | None = Field(
        None,
        description="Architectures whose stand-alone accuracy a run knows. They train regularisers "
        "and are left out of every ranking; null for none.",
    )
    training: TrainingSpec
    ranking: RankingSpec = Field(default_factory=RankingSpec)
    search: AnySearcher | None = Field(
        default_factory=EvolutionSearcher, description="null stops after ranking."
    )
    retrain: RetrainSpec | None = Field(
        None,
        description="Which winners of the search are trained stand-alone, and how; null: none. "
        "Others can be picked when the run is under way.",
    )

    @model_validator(mode="after")
    def _a_column_belongs_to_a_benchmark(self) -> Self:
        if self.benchmark_column is not None and self.benchmark is None:
            raise refused_at(
                ("benchmark_column",),
                f"{self.benchmark_column!r} is a column of no benchmark: name one, or no column",
            )
        return self

    @model_validator(mode="after")
    def _a_benchmark_is_there_to_draw_from(self) -> Self:
        if self.ranking.among == "benchmark" and self.benchmark is None:
            raise refused_at(
                ("ranking", "among"),
                "the run has no benchmark to draw from: name one, or rank the whole space",
            )
        return self

    @model_validator(mode="after")
    def _banks_need_thresholds_and_no_warm_up(self) -> Self:
        if not self.supernet.has_banks:
            return self
        if not isinstance(self.splitter, NonlinearitySplitter):
            raise ValueError(
                "splitter must be of kind nonlinearity for routing accumulated: banks are chosen "
                "by thresholds of the running count"
            )
        if self.training.warm_up_steps:
            raise ValueError(
                f"training.warm_up_steps {self.training.warm_up_steps} must be 0 for routing "
                "accumulated: its banks already share everything else"
            )
        return self

    @model_validator(mode="after")
    def _landmarks_are_known(self) -> Self:
        if self.landmarks is None:
            for place, regulariser in enumerate(self.training.regularisers):
                if regulariser.needs_landmarks:
                    raise refused_at(
                        ("training", "regularisers", place),
                        f"the regulariser {regulariser.kind} needs landmarks: set landmarks",
                    )
            for place, scorer in enumerate(self.ranking.scorers):
                if isinstance(scorer, CombinedScorer) and scorer.needs_landmarks:
                    raise refused_at(
                        ("ranking", "scorers", place),
                        f"the scorer {scorer.kind} learns from landmarks: set landmarks",
                    )
        elif self.landmarks.reads_benchmark and self.benchmark is None:
            raise refused_at(
                ("landmarks",),
                f"landmarks of kind {self.landmarks.kind} are taken from the run's benchmark, and "
                "it has none: name one, or train them with the kind stand-alone",
            )
        return self

    @property
    def num_landmarks(self) -> int:
        """How many architectures' stand-alone accuracy the run knows, or will."""
        return 0 if self.landmarks is None else self.landmarks.choice.number

    def partition(self, space: Space) -> Partition:
        """Return the sub-spaces that this run trains.

        Raises:
            InfeasiblePartition: if the splitter cannot split the space so.
            InfeasibleSupernet: if the space has no cells for weight banks.
        """
        return self.supernet.partition(self.splitter, space)

    def subspace_count(self, space: Space) -> int:
        """Return the number of sub-spaces of `partition`."""
        if self.supernet.has_banks:
            # Banks and sub-spaces differ in number: several profiles can end in the same bank.
            return len(self.partition(space).subspaces)
        return self.splitter.subspace_count(space)

    @model_validator(mode="after")
    def _winners_are_those_of_a_search(self) -> Self:
        if self.retrain is not None and self.search is None:
            raise refused_at(
                ("retrain",),
                "the winners of a search are retrained, and this run has none: set search, or "
                "leave retrain out and pick architectures once the run has ended",
            )
        return self

    @model_validator(mode="after")
    def _search_uses_a_scorer_of_the_run(self) -> Self:
        kinds = [scorer.kind for scorer in self.ranking.scorers]
        if self.search is None:
            return self
        if self.search.scorer not in kinds:
            raise ValueError(
                f"search.scorer {self.search.scorer!r} is not among ranking.scorers {kinds}"
            )
        for aim in self.search.aims:
            if aim.is_score and aim.name not in kinds:
                raise refused_at(
                    ("search", "objectives"),
                    f"{aim.name!r} is neither one of {', '.join(UNSCORED)} nor among "
                    f"ranking.scorers {kinds}: add it there, or name another",
                )
        return self


def round_boundaries(spec: RunSpec) -> tuple[int, ...]:
    """Return the global steps at which a round of live ranking ends, ascending.

    They are the multiples of `ranking.every_steps`, the end of the warm-up and the last step.
    """
    training = spec.training
    boundaries = {*range(spec.ranking.every_steps, training.steps, spec.ranking.every_steps)}
    boundaries |= {training.steps}
    if training.warm_up_steps:
        boundaries.add(training.warm_up_steps)
    ordered = tuple(sorted(boundaries))
    assert all(earlier < later for earlier, later in pairwise(ordered))
    return ordered
