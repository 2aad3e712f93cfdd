"""RunSpec: every parameter of a run, declared once.

The same class is the REST body, the JSON column, the form of the dashboard and the input of the
science. Importing it loads no torch.
"""

import unicodedata
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from nas.errors import InfeasibleCombination, InfeasibleSupernet
from nas.landmarks.sources import AnyLandmarks
from nas.names import REFERENCE_PATTERN as REFERENCE_PATTERN
from nas.names import Name as Name
from nas.names import Reference as Reference
from nas.partition import AnySplitter
from nas.partition.base import Partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.routing import Routing
from nas.plugin import refused_at
from nas.ranking.batch_norm import AnyBatchNormPolicy
from nas.ranking.batch_norm.batch_stats import BatchStats
from nas.ranking.measures import SPARSE_THRESHOLD
from nas.ranking.scorers import AnyScorer
from nas.ranking.scorers.base import CombinedScorer, Scorer, SupernetScorer
from nas.ranking.scorers.loss import LossScorer
from nas.search import AnySearcher
from nas.search.evolution import EvolutionSearcher
from nas.search.objectives import UNSCORED
from nas.spaces.base import Space
from nas.spaces.shape import NetworkShape
from nas.spec_part import SpecPart as SpecPart
from nas.supernets.sizes import PARENT_WIDTH, Supernets, suggested_supernets, supernets
from nas.training.default_recipe import default_recipe
from nas.training.recipe import AugmentationSpec as AugmentationSpec
from nas.training.recipes import AnyRecipe
from nas.training.regularisers import AnyRegulariser
from nas.training.samplers import AnySampler
from nas.training.samplers.supernet_balanced import SupernetBalancedSampler

MAX_STEPS = 10_000_000

MOST_SEEDS = 100
MOST_RETRAINED = 100
"""Of one run's winners, or of one request: each is a training of its own."""

BenchmarkColumnName = Annotated[
    str, Field(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,99}/)?accuracy$")
]


def _without_controls(text: str) -> str:
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"must be one line of text, and holds {letter!a}")
    return text


RunName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_without_controls),
]
"""What people call a run: one line, without space around it."""


def _form_of_width(given: object) -> str | None:
    """Return which of the members of `Width` is meant."""
    if isinstance(given, (list, tuple)):
        return "each"
    if given == "auto":
        return "auto"
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return "all" if is_number or (isinstance(given, str) and given.strip().isdecimal()) else None


MAX_WIDTH = 256
Channels = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Width = Annotated[
    Annotated[Channels, Tag("all")]
    | Annotated[tuple[Channels, ...], Field(min_length=1), Tag("each")]
    | Annotated[Literal["auto"], Tag("auto")],
    Discriminator(
        _form_of_width,
        custom_error_type="width",
        custom_error_message=f"Input should be a whole number from 1 to {MAX_WIDTH}, a list of one "
        "per sub-space, or auto",
    ),
]
"""Of all supernets, of each, or to be found."""


class SupernetSpec(Routing):
    """The weight-sharing network of one sub-space, or of all with weight banks."""

    width: Width = Field(
        8,
        description="Channels of the first stage, or after a chain's stem; others in proportion. "
        "One for all, one per sub-space, or auto: the parent's over the number of sub-spaces or "
        "banks, so that together they have no more parameters than the parent.",
    )
    parent_width: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Of the one-shot parent, which a warm-up trains and auto divides; null: the "
        f"widest of the sub-spaces' supernets, or {PARENT_WIDTH} for auto.",
    )
    reduction: Literal["pooled", "residual"] = Field(
        "pooled",
        description="Between two stages, where no searched cell or layer halves the image. "
        "pooled: average pooling and a 1x1 convolution, so that the few cells decide the score; "
        "residual: the stand-alone network's two convolutions.",
    )

    @model_validator(mode="after")
    def _banks_have_one_width(self) -> Self:
        if self.has_banks and isinstance(self.width, tuple):
            raise refused_at(
                ("width",),
                f"{len(self.width)} widths, but one supernet holds all weight banks of routing "
                "accumulated: give a single one, or auto",
            )
        return self

    @model_validator(mode="after")
    def _parent_is_the_widest(self) -> Self:
        if self.parent_width is not None and self.parent_width < max(self._widths):
            raise refused_at(
                ("parent_width",),
                f"parent_width {self.parent_width} is below the width {max(self._widths)} of a "
                "sub-space's supernet, which is to inherit its first channels: raise it, or leave "
                "it out",
            )
        return self

    @property
    def _widths(self) -> tuple[int, ...]:
        """The widths that are given in numbers."""
        if isinstance(self.width, int):
            return (self.width,)
        return self.width if isinstance(self.width, tuple) else (1,)

    @property
    def one_shot_width(self) -> int:
        """The width of the one-shot parent."""
        if self.parent_width is not None:
            return self.parent_width
        return PARENT_WIDTH if self.width == "auto" else max(self._widths)

    def shape(
        self, *, image_channels: int | None = None, num_classes: int | None = None
    ) -> NetworkShape:
        """Return the sizes of the supernets, but for their widths.

        Args:
            image_channels: of the dataset; None: of the space's own images.
            num_classes: likewise.
        """
        return NetworkShape(
            cells_per_stage=self.cells_per_stage,
            image_channels=image_channels,
            num_classes=num_classes,
            reduction=self.reduction,
        )

    def supernets(self, partition: Partition, shape: NetworkShape) -> Supernets:
        """Return the supernets of a partition that was made under this routing.

        Args:
            partition: what they are for.
            shape: as `shape` returns it.

        Raises:
            InfeasibleSupernet: if the widths do not fit the partition, or the space has no network
                of this shape.
        """
        if self.width == "auto":
            return self._suggested(partition, shape)
        num_subspaces = len(partition.subspaces)
        widths = self._widths if isinstance(self.width, tuple) else self._widths * num_subspaces
        if len(widths) != num_subspaces:
            raise InfeasibleSupernet(
                "width",
                f"{len(widths)} widths for {num_subspaces} sub-spaces: give one per sub-space, or "
                "a single one for all",
            )
        return supernets(partition, self.one_shot_width, widths, shape)

    def _suggested(self, partition: Partition, shape: NetworkShape) -> Supernets:
        found = suggested_supernets(partition, self.one_shot_width, shape)
        if not found.fit:
            raise InfeasibleSupernet(
                "width",
                f"auto finds none: even of width 1 the supernets of {len(found.subspaces)} "
                f"sub-spaces have {found.parameters:,} parameters together, and their parent of "
                f"width {found.parent.width} has {found.parent.parameters:,}; raise parent_width, "
                "or give the width as a number",
            )
        return found


class TrainingSpec(SpecPart):
    """Supernet training: one optimizer step per global step, warm-up included."""

    steps: int = Field(ge=1, le=MAX_STEPS, description="Optimizer steps in all, warm-up included.")
    warm_up_steps: int = Field(
        0, ge=0, description="First steps, on one supernet that every sub-space then copies."
    )
    inherit_from: int | None = Field(
        None,
        ge=1,
        description="Number of a succeeded run on the same space, whose supernets' weights "
        "training starts with: each sub-space with its own where the partitions are the same, "
        "else all with the one supernet of that run or its warm-up; the first channels where it "
        "is wider. Momentum starts at zero. null: random weights.",
    )
    batch_size: int = Field(64, ge=2, le=4096, description="Images per step.")
    learning_rate: float = Field(
        0.1, gt=0, le=10, description="At step 0; from there a cosine to the final one."
    )
    final_learning_rate: float = Field(
        0.0, ge=0, le=10, description="That the cosine would reach one step after the last."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Added to the gradient.")
    gradient_clip: float | None = Field(
        5.0, gt=0, description="Largest gradient norm of a step; null for none."
    )
    sampler: AnySampler = Field(
        default_factory=SupernetBalancedSampler, description="Which architecture a step trains."
    )
    regularisers: tuple[AnyRegulariser, ...] = Field(
        (), description="Terms that are added to the loss of every step, each kind at most once."
    )
    augmentation: AugmentationSpec = Field(default_factory=AugmentationSpec)
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Of the forward and backward passes of training; bfloat16 is faster on newer "
        "GPUs and less exact. Weights and scores are float32. Part of the result's conditions.",
    )
    threads: int = Field(
        1,
        ge=1,
        le=64,
        description="CPU threads per process of a unit; part of the result's conditions.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=8,
        description="Processes of one host that train a unit together, each on its share of every "
        "batch (and, with GPUs, on one of its own). BatchNorm has the statistics of a share: part "
        "of the result's conditions.",
    )

    @field_validator("final_learning_rate")
    @classmethod
    def _learning_rate_does_not_rise(cls, final: float, info: ValidationInfo) -> float:
        first = info.data.get("learning_rate")
        if first is not None and final > first:
            raise ValueError(f"{final} is above learning_rate {first}, with which training begins")
        return final

    @field_validator("regularisers")
    @classmethod
    def _regularisers_differ(
        cls, regularisers: tuple[AnyRegulariser, ...]
    ) -> tuple[AnyRegulariser, ...]:
        kinds = [regulariser.kind for regulariser in regularisers]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"each regulariser may be named once, got {kinds}")
        return regularisers

    @field_validator("processes")
    @classmethod
    def _processes_share_a_batch(cls, processes: int, info: ValidationInfo) -> int:
        batch_size = info.data.get("batch_size")
        if batch_size is None:  # refused itself
            return processes
        share, rest = divmod(batch_size, processes)
        if rest or share < 2:
            raise ValueError(
                f"batch_size {batch_size} cannot be shared by {processes} processes: each needs "
                f"the same number of images, at least two; the next size that can be is "
                f"{processes * max(share + 1, 2)}"
            )
        return processes

    @model_validator(mode="after")
    def _warm_up_leaves_steps(self) -> Self:
        if self.warm_up_steps >= self.steps:
            raise ValueError(
                f"warm_up_steps {self.warm_up_steps} must be below steps {self.steps}: "
                "the sub-spaces' own supernets need steps of their own"
            )
        return self


class RankingSpec(SpecPart):
    """How architectures are scored, live and at the end."""

    scorers: tuple[AnyScorer, ...] = Field(
        default_factory=lambda: (LossScorer(),), min_length=1, description="Higher is better."
    )
    num_architectures: int = Field(
        200, ge=2, le=100_000, description="Random valid architectures scored after training."
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


def _counted(given: object) -> object:
    """Take a number of seeds for the seeds from 0."""
    return tuple(range(given)) if type(given) is int and given <= MOST_SEEDS else given


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"each seed may be named once, got {list(seeds)}")
    return seeds


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...],
    Field(
        min_length=1,
        max_length=MOST_SEEDS,
        description="One training of each architecture per seed, which decides its weights, its "
        "order of images and its augmentation. In documents a number n means the seeds 0 to n - 1.",
    ),
    BeforeValidator(_counted),
    AfterValidator(_each_once),
]


class Retraining(SpecPart):
    """How architectures are trained stand-alone once they have been chosen."""

    seeds: Seeds = (0, 1, 2)
    recipe: AnyRecipe | None = Field(
        None, description="How each is trained; null: the recipe for such images."
    )
    width: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Channels of the first stage, others in proportion; null: those of the space.",
    )
    cells_per_stage: int | None = Field(
        None, ge=1, le=64, description="Searched cells in a row; null: as many as the space has."
    )

    def resolved(self, side: int, num_train: int) -> Self:
        """Return the same with the recipe for images of a size, where none is named.

        Args:
            side: pixels of the longer side of an image.
            num_train: training images.
        """
        if self.recipe is not None:
            return self
        return self.model_copy(update={"recipe": default_recipe(side, num_train)})

    def shape(self, *, image_channels: int, num_classes: int) -> NetworkShape:
        """Return the sizes of the networks.

        Args:
            image_channels: of the dataset.
            num_classes: likewise.
        """
        return NetworkShape(
            width=self.width,
            cells_per_stage=self.cells_per_stage,
            image_channels=image_channels,
            num_classes=num_classes,
        )


class Winners(SpecPart):
    """Which candidates of a search are worth a training of their own."""

    top: int = Field(
        1,
        ge=1,
        le=MOST_RETRAINED,
        description="So many of the best candidates, of those that compute the same the best; with "
        "several objectives, of the Pareto front.",
    )


class RetrainSpec(Retraining, Winners):
    """The stand-alone training of what a search has found."""


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
